"""Experiments with ControlNets of other kinds: the pictures are made, and what cannot be is told first."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from frameweave.errors import InputError
from frameweave.measuring import asked, experiment
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.grid import grid
from frameweave.measuring.options import GridOptions
from frameweave.models.loading.choice import miniature_folder
from frameweave.runs.run import Run
from frameweave.runs.run_file import RunRecord

CANNY = f"canny={miniature_folder() / 'controlnet'}"


def test_a_grid_is_steered_by_edges(tmp_path: Path) -> None:
    options = GridOptions(
        clips=1,
        frames=2,
        steps=2,
        editors=("text2video_zero",),
        workers=0,
        control=(CANNY,),
        out=tmp_path / "run",
    )
    done = grid(None, options)
    assert done.failed == {} and done.done > 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"editors": ("framewise",)}, "none of framewise is steered by ControlNets"),
        ({"control": (CANNY.replace("canny", "pose"),)}, "of kind pose needs pictures"),
        ({"image_prompt": ("absent.png",)}, "needs an IP-Adapter"),
    ],
)
def test_what_cannot_be_is_told_first(change: dict[str, tuple[str, ...]], told: str, tmp_path: Path) -> None:
    asked = {"editors": ("text2video_zero",), "control": (CANNY,)} | change
    with pytest.raises(InputError, match=told):
        grid(None, GridOptions(clips=1, frames=2, steps=2, workers=0, out=tmp_path / "run", **asked))  # pyright: ignore
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flag", ["lora", "control", "image_prompt", "image_adapter", "image_encoder", "beside"]
)
def test_files_beside_the_model_count_by_content(flag: str, tmp_path: Path) -> None:
    """The same file elsewhere finds the same cells; other content, strength or share does not."""

    def key(folder: str, end: str = "") -> str:
        place = tmp_path / folder
        pictures = {
            "image_prompt": (f"{place}/image_prompt{end}",),
            "image_adapter": f"{place}/image_adapter",
        }
        given: Mapping[str, object] = {
            "lora": {"lora": (f"{place}/lora{end}",)},
            "control": {"control": (f"canny={place}/control{end}",)},
            "image_encoder": pictures | {"image_encoder": f"{place}/named"},
        }.get(flag, pictures)
        options = GridOptions(clips=1, frames=2, editors=("text2video_zero",), **given)  # pyright: ignore
        run = Run(tmp_path / "run", RunRecord(command="grid"))
        items, _ = asked.items_of(None, options)
        return next(iter(experiment.works_of(run, items, [Arm(name="without")], options))).cells[0].key

    for folder in ("a", "b"):
        for name in ("control", "image_encoder", "named"):
            (tmp_path / folder / name).mkdir(parents=True)
            (tmp_path / folder / name / "model.safetensors").write_bytes(b"weights")
        (tmp_path / folder / "control" / "config.json").write_text("{}")
        for name in ("lora", "image_prompt", "image_adapter"):
            (tmp_path / folder / name).write_bytes(b"content")
    first = key("a")
    assert key("b") == first
    if flag in ("lora", "control", "image_prompt"):
        assert len({first, key("a", "@0.5"), key("a", "@0.5:0-0.5"), key("a", "@1:0-1")}) == 3
    changed = tmp_path / "b" / {"image_encoder": "named", "beside": "image_encoder"}.get(flag, flag)
    file = changed / "model.safetensors" if changed.is_dir() else changed
    file.write_bytes(b"other")
    assert key("b") != first
