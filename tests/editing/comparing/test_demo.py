"""The demo on the packaged model, shortened."""

from pathlib import Path

from frameweave.data.reading import ShardGroups
from frameweave.editing.comparing.demo import EDITORS, EDITS, demo
from frameweave.editing.options import DemoOptions
from frameweave.runs.run import read_run
from frameweave.video import probe


def test_it_writes_every_video_and_one_report(tmp_path: Path) -> None:
    report = demo(DemoOptions(frames=2, steps=2, out=tmp_path / "run"))
    run = tmp_path / "run"
    assert report == run / "report.html"
    for attribute in EDITS:
        for name in (*EDITORS, *(f"{editor}-adaptor" for editor in EDITORS), "perfect"):
            assert probe(run / f"{attribute}-{name}.mp4").frames == 2
            assert (run / f"{attribute}-{name}.png").is_file()
    assert probe(run / "source.mp4").frames == 2
    assert probe(run / "comparison.gif").frames in (0, 2)
    text = report.read_text(encoding="utf-8")
    assert text.count("<video") == len(EDITS) * (2 * len(EDITORS) + 2)
    assert read_run(run).result["report"] == "report.html"
    groups = ShardGroups(run / "data" / "shards")
    assert len(groups) > 8 and groups.group(0).depth is not None
    assert (run / "data" / "sheet" / "sheet.png").is_file()
    assert "laid out as MSR-VTT is" in text
    assert "with the adaptor (in tokenflow, vidtome by its prompt tokens; in vid2vid_zero not at all)" in text
    assert text.count("vid2vid_zero (adaptor silent)") >= len(EDITS) and "vid2vid_zero + adaptor" not in text
    alone, silent = (run / f"noun-vid2vid_zero{name}.mp4" for name in ("", "-adaptor"))
    assert alone.read_bytes() == silent.read_bytes()
