"""Training jobs from end to end on a tiny model: every stage, resuming, a folder of videos, refusals."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from frameweave.errors import DataError, InputError, RunError
from frameweave.jobs.edit import edit
from frameweave.jobs.options import EditOptions
from frameweave.jobs.train import train
from frameweave.model.adaptor import load_adaptor
from frameweave.training.options import PROVENANCE, TrainOptions
from videos import colour_ramp, write_video


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> TrainOptions:
    return TrainOptions(
        model=str(tiny_folder),
        device="cpu",
        groups=6,
        held_out=2,
        accumulate=2,
        steps=4,
        tokens_steps=2,
        depth_steps=1,
        warmup=1,
        watch_every=2,
        learning_rate=1e-2,
        out=tmp_path / "run",
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    adaptor = load_adaptor(str(folder / "adaptor"))
    assert adaptor.tokens is not None
    return adaptor.lora | dict(adaptor.tokens.state_dict())


def test_all_stages_make_an_adaptor_that_edits(options: TrainOptions, tmp_path: Path) -> None:
    done = train(("depth", "tokens", "lora"), replace(options, preview_every=4))
    assert done.figures["lora_held_out_noise"] > 0
    assert (options.out / "depth" / "controlnet" / "config.json").is_file()
    assert (options.out / "lora" / "preview-000004.png").is_file()
    log = (options.out / "log.jsonl").read_text().splitlines()
    assert len(log) == 1 + 2 + 4
    adaptor = load_adaptor(str(options.out / "adaptor"))
    assert adaptor.card.steps == 4
    assert any(float(w.abs().max()) > 0 for key, w in adaptor.lora.items() if "lora_B" in key)
    video = tmp_path / "clip.mp4"
    write_video(video, colour_ramp(3, (32, 32)))
    settings = EditOptions(model=options.model, device="cpu", steps=20, adaptor=str(options.out / "adaptor"))
    for tokens in (False, True):
        out = tmp_path / f"edit-{tokens}"
        assert edit(video, "a red car", replace(settings, tokens=tokens, out=out)).video.is_file()


def test_a_stopped_run_goes_on_with_the_same_bits(options: TrainOptions, tmp_path: Path) -> None:
    train(("tokens", "lora"), options)
    parts = replace(options, out=tmp_path / "parts")
    train(("tokens", "lora"), replace(parts, steps=2))
    train(("lora",), parts)
    whole, resumed = weights(options.out), weights(parts.out)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    with pytest.raises(RunError, match=r"learning_rate was 0.01 and is 0.1"):
        train(("lora",), replace(parts, learning_rate=0.1))


def test_a_folder_of_videos_with_captions(options: TrainOptions, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    with pytest.raises(DataError, match="no videos"):
        train(("lora",), replace(options, data=str(folder), out=tmp_path / "a"))
    for name, frames in (("one", 5), ("two", 6), ("short", 2)):
        write_video(folder / f"{name}.mp4", colour_ramp(frames, (32, 32)))
        if name != "two":
            (folder / f"{name}.txt").write_text("a red car\n\na car\n")
    with pytest.raises(DataError, match=r"two\.txt: no caption"):
        train(("lora",), replace(options, data=str(folder), out=tmp_path / "b"))
    (folder / "two.txt").write_text("a blue car")
    with pytest.raises(DataError, match=r"short\.mp4: 2 frames, expected at least 3"):
        train(("lora",), replace(options, data=str(folder), out=tmp_path / "c"))
    (folder / "short.mp4").unlink()
    done = train(("lora",), replace(options, data=str(folder), n_shared=0, out=tmp_path / "d"))
    assert load_adaptor(str(done.folder / "adaptor")).tokens is None


def test_wrong_settings_are_refused(options: TrainOptions) -> None:
    with pytest.raises(InputError, match="unknown stage 'lore'.*did you mean lora"):
        train(("lore",), options)
    with pytest.raises(InputError, match="needs 3"):
        train(("lora",), replace(options, frames=2))
    assert not options.out.exists()


def test_every_provenance_names_a_setting() -> None:
    assert PROVENANCE.keys() <= set(TrainOptions.__dataclass_fields__)
