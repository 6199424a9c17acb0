"""Several folders as one experiment, and what does not go together."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from frameweave.errors import DataError
from frameweave.measuring.report.merging import merged
from frameweave.measuring.report.reading import read_results
from frameweave.measuring.report.results import Results
from frameweave.progress import Notes
from results_folder import METRICS, write_results

BLURRED: dict[tuple[str, str, str], list[float | None]] = {
    ("reference", "blurred", "warp_error"): [0.1, float("nan")]
}


def part(folder: Path, editor: str, values: list[float | None]) -> Results:
    return read_results(write_results(folder, {(editor, "without", "warp_error"): values} | BLURRED))


def test_editors_of_two_folders(tmp_path: Path) -> None:
    first, second = part(tmp_path / "a", "vidtome", [0.3, 0.5]), part(tmp_path / "b", "tokenflow", [1.0, 2.0])
    whole = merged([first, second])
    assert whole.editors == ["vidtome", "tokenflow"]
    assert whole.rows[-1] == ("reference", "blurred") and len(whole.scores) == 6
    assert whole.values("tokenflow", "without", "warp_error") == {"clip 0": 1.0, "clip 1": 2.0}
    assert len(whole.pairs) == 2 and whole.run.command == "grid"
    assert merged([first]) is first


def test_videos_are_found_in_their_own_folders(tmp_path: Path) -> None:
    def write(path: Path, number: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    values: list[float | None] = [0.3, 0.5]
    for name, editor in (("a", "vidtome"), ("b", "tokenflow")):
        write_results(tmp_path / name, {(editor, "without", "warp_error"): values}, videos=write)
    whole = merged([read_results(tmp_path / name) for name in ("a", "b")])
    assert all((whole.folder / str(cell.video)).is_file() for cell in whole.cells)
    assert {Path(str(cell.video)).parts[-3] for cell in whole.cells} == {"a", "b"}


def over_all(folder: Path, value: float, pairs: Sequence[int]) -> Results:
    """An experiment of some pairs of one editor, and a distance over all of its clips."""
    write_results(folder, {("vidtome", "without", "warp_error"): [0.5] * (max(pairs) + 1)})
    for name in ("pairs", "scores"):
        lines = (folder / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (folder / f"{name}.jsonl").write_text("".join(lines[number] for number in pairs))
    row = {"editor": "vidtome", "arm": "without", "metric": "fid_source", "interval": None}
    (folder / "pooled.jsonl").write_text(json.dumps(row | {"value": value, "n": 8 * len(pairs)}) + "\n")
    return read_results(folder)


def test_an_unfinished_part_gives_way_in_distances_over_all_clips(tmp_path: Path) -> None:
    """It is over fewer clips; over all of them it must be the same."""
    whole, part_of_it = over_all(tmp_path / "a", 1.62, [0, 1, 2]), over_all(tmp_path / "b", 1.7, [0, 1])
    for both in ([whole, part_of_it], [part_of_it, whole]):
        assert [line.value for line in merged(both).pooled] == [1.62]
    with pytest.raises(DataError, match=r"fid_source: value is 1\.62 in .*a, 1\.9 in .*c;"):
        merged([whole, part_of_it, over_all(tmp_path / "c", 1.9, [0, 1, 2])])


def test_distances_over_parts_of_the_clips_are_none_over_all(tmp_path: Path) -> None:
    notes = Notes()
    parts = [over_all(tmp_path / "a", 1.62, [0, 1]), over_all(tmp_path / "b", 1.9, [2, 3])]
    together = merged(parts, note=notes.note)
    assert together.pooled == () and len(together.scores) == 4
    assert notes.texts == [
        "no distances over all clips of vidtome without: each folder has a part of the clips"
    ]


def test_another_backbone(tmp_path: Path) -> None:
    parts = [part(tmp_path / "a", "vidtome", [0.3, 0.5])]
    folder = write_results(tmp_path / "b", BLURRED)
    other = [METRICS[0], METRICS[1] | {"backbone": "openai/clip-vit-base-patch32"}]
    (folder / "metrics.json").write_text(json.dumps(other))
    with pytest.raises(
        DataError, match=r"clip_score .*by miniature-clip-123456 in .*a, .*by openai.* in .*b;"
    ):
        merged([*parts, read_results(folder)])


def test_another_way_to_measure(tmp_path: Path) -> None:
    """Warp errors along the true flow and along an estimated one have no network, but other titles."""
    parts = [part(tmp_path / "a", "vidtome", [0.3, 0.5])]
    folder = write_results(tmp_path / "b", BLURRED)
    other = [METRICS[0] | {"title": "Warp error [Farnebäck flow]"}, *METRICS[1:]]
    (folder / "metrics.json").write_text(json.dumps(other))
    with pytest.raises(DataError, match=r"warp_error is .*a, 'Warp error \[Farnebäck flow\]' by no network"):
        merged([*parts, read_results(folder)])


def test_another_score_of_the_same_edit(tmp_path: Path) -> None:
    parts = [part(tmp_path / "a", "vidtome", [0.3, 0.5]), part(tmp_path / "b", "vidtome", [0.3, 0.6])]
    with pytest.raises(
        DataError, match=r"001 0 vidtome without warp_error: value is 0\.5 in .*a, 0\.6 in .*b;"
    ):
        merged(parts)


def test_another_clip_of_the_same_name(tmp_path: Path) -> None:
    first = part(tmp_path / "a", "vidtome", [0.3, 0.5])
    folder = write_results(tmp_path / "b", BLURRED, clips=["clip 0", "another"])
    with pytest.raises(DataError, match="001: clip is 'clip 1'"):
        merged([first, read_results(folder)])


def test_metrics_of_two_versions_are_told(tmp_path: Path) -> None:
    notes, parts = Notes(), [part(tmp_path / "a", "vidtome", [0.3]), part(tmp_path / "b", "tokenflow", [0.5])]
    newer = [info.model_copy(update={"version": 2}) for info in parts[1].metrics]
    merged([parts[0], replace(parts[1], metrics=tuple(newer))], note=notes.note)
    assert any("warp_error was measured by two versions" in text for text in notes.texts)
