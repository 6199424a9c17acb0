"""Benchmarks' folders: read as their programs read them, measured, and summed up as they do, by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.image import StructuralSimilarityIndexMeasure

from frameweave.errors import DataError, InputError
from frameweave.measuring.benchmarks.seen import cut, neighbours, neighbours_and_first, squashed
from frameweave.measuring.evaluate import evaluate
from frameweave.measuring.metrics.fidelity import ssim
from frameweave.measuring.options import EvaluateOptions
from frameweave.video.clip import Clip
from measuring.metrics.test_structure import small_dino


def frames(count: int, seed: int, size: tuple[int, int] = (24, 32)) -> Tensor:
    """Noise of 8 bits."""
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(count, 3, *size, generator=rng) * 255).round() / 255


def pictures(folder: Path, clip: Tensor) -> Path:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(Clip.of(clip).pixels(), 1):
        Image.fromarray(pixels).save(folder / f"{number:05d}.png")
    return folder


def rows(out: Path) -> dict[str, list[str]]:
    """The table's rows by the measures' first words."""
    lines = (out / "tables" / "benchmark.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    return {row[0].split(" [")[0].rstrip(" ↑↓"): row[1:] for row in cells[2:]}


@pytest.fixture
def v2vbench(tmp_path: Path) -> Path:
    """Two clips, of which one has two prompts; edits as videos and as pictures."""
    (tmp_path / "config.yaml").write_text(
        "data:\n- video_id: hike\n  edit:\n  - prompt: a red car\n  - prompt: a green duck, pixel art\n"
        "- video_id: sea\n  prompt: the sea\n  edit:\n  - prompt: a blue car\n"
    )
    pictures(tmp_path / "frames" / "hike", frames(3, 0))
    pictures(tmp_path / "frames" / "sea", frames(3, 1))
    pictures(tmp_path / "hike" / "0", frames(3, 2))
    pictures(tmp_path / "hike" / "1", frames(3, 0))
    pictures(tmp_path / "sea" / "0", frames(3, 3))
    return tmp_path


def test_v2vbench_means_are_over_all_edits(v2vbench: Path, tmp_path: Path) -> None:
    options = EvaluateOptions(
        benchmark="v2vbench", dino_model=str(small_dino(tmp_path / "dino")), out=tmp_path / "run"
    )
    done = evaluate(v2vbench, options)
    assert (done.videos, done.failed) == (3, {})
    scores = [json.loads(line) for line in (tmp_path / "run" / "scores.jsonl").read_text().splitlines()]
    motion = {line["video"]: line["value"] for line in scores if line["metric"] == "motion_alignment"}
    assert motion["hike/1"] == 0 and motion["hike/0"] < 0  # the source itself; another noise
    assert done.means["Motion alignment [DIS flow]"] == pytest.approx(sum(motion.values()) / 3)
    found = rows(tmp_path / "run")
    assert list(found) == [
        "Frames quality", "Video quality", "Semantic consistency", "Object consistency",
        "Frames text alignment", "Video text alignment", "PickScore", "Motion alignment",
    ]  # fmt: skip
    assert found["Object consistency"][0] == "facebook/dinov2-base" and found["Object consistency"][2] == "3"
    text = (tmp_path / "run" / "tables" / "benchmark.md").read_text()
    assert "Video quality: needs DOVER, which Frameweave does not have" in text
    assert "PickScore: needs a network: name one with --pick-model" in text


def test_edits_that_are_missing_stop_none(v2vbench: Path, tmp_path: Path) -> None:
    edits = tmp_path / "mine"
    Clip.of(frames(3, 5)).write(edits / "hike" / "1.mp4")
    (edits / "hike" / "1").mkdir()  # an empty folder beside a video is not the edit
    pictures(edits / "sea" / "0", frames(4, 5))
    options = EvaluateOptions(benchmark="v2vbench", benchmark_data=v2vbench, out=tmp_path / "run")
    done = evaluate(edits, options)
    assert done.videos == 1
    assert "no edit at" in done.failed["hike/0"]
    assert "4 frames" in done.failed["sea/0"] and "has 3" in done.failed["sea/0"]


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """Two kinds of edits with two and one, of nine frames, of which the first and the last count."""

    def entry(clip: str, save: str) -> dict[str, object]:
        return {"video_name": clip, "source_prompt": "a [blue] car", "target_prompt": "a [red] car",
                "save_dir": save, "editing_type_id": 1}  # fmt: skip

    (tmp_path / "edit_prompt").mkdir()
    tables = {1: [entry("0001_bus", "edit1"), entry("0002_girl", "edit1")], 2: [entry("0001_bus", "edit2")]}
    for number, lines in tables.items():
        (tmp_path / "edit_prompt" / f"edit{number}_FiVE.json").write_text(json.dumps(lines))
    for seed, clip in enumerate(("0001_bus", "0002_girl")):
        pictures(tmp_path / "images" / clip, frames(9, seed))
        mask = torch.zeros(9, 3, 24, 32)
        mask[:, seed, :, :8] = 1  # of any colour: in palettes each object has one of its own
        pictures(tmp_path / "bmasks" / clip, mask)
    pictures(tmp_path / "0001_bus" / "edit1", frames(9, 10))
    pictures(tmp_path / "0001_bus" / "edit2" / "img_ode", frames(9, 0))  # one folder deeper: the source
    pictures(tmp_path / "0002_girl" / "edit1", frames(12, 11))
    return tmp_path


def test_five_means_are_over_kinds_of_edits(five: Path, tmp_path: Path) -> None:
    options = EvaluateOptions(
        benchmark="five", dino_model=str(small_dino(tmp_path / "dino")), out=tmp_path / "run"
    )
    done = evaluate(five, options)
    assert (done.videos, done.failed) == (3, {})

    def squares(edit: int, source: int) -> float:
        """Of frames 0 and 8, zero where the mask is, over the whole frame."""
        a, b = (frames(12 if seed == 11 else 9, seed)[[0, 8]].clone() for seed in (edit, source))
        a[..., :8] = b[..., :8] = 0
        return float((a - b).square().mean())

    first = (squares(10, 0) + squares(11, 1)) / 2
    found = rows(tmp_path / "run")["MSE outside x 10000"]
    assert [float(cell) for cell in found[1:4]] == pytest.approx([1e4 * first, 0, 1e4 * first / 2], abs=0.01)
    psnr = rows(tmp_path / "run")[["PSNR outside", "dB]"][0]]
    assert float(psnr[2]) == 100
    assert float(rows(tmp_path / "run")["Structure distance x 1000"][2]) == 0
    assert rows(tmp_path / "run")["FiVE-Acc x 100"][1:4] == ["–"] * 3


def test_five_ssim_is_torchmetrics() -> None:
    """Whose default FiVE's program takes."""
    a, b = frames(2, 0), (frames(2, 0) * 0.7 + frames(2, 1) * 0.3)
    theirs = [
        float(StructuralSimilarityIndexMeasure(data_range=1.0)(x[None], y[None]))
        for x, y in zip(a, b, strict=True)
    ]
    assert ssim(a, b).tolist() == pytest.approx(theirs, abs=1e-5)


def test_five_without_a_mask_is_left_out(five: Path, tmp_path: Path) -> None:
    (five / "bmasks" / "0002_girl").rename(five / "elsewhere")
    done = evaluate(five, EvaluateOptions(benchmark="five", out=tmp_path / "run"))
    assert list(done.failed) == ["edit1_FiVE/1 0002_girl"] and "no mask" in next(iter(done.failed.values()))


def test_ivebench_parts_are_over_what_is_there(tmp_path: Path) -> None:
    lines = [{"id": 1, "src_video_name": "a.mp4", "target_prompt": "a red car"},
             {"id": 2, "src_video_name": "b.mp4", "target_prompt": "a duck"}]  # fmt: skip
    (tmp_path / "ivebench_prompt.json").write_text(json.dumps(lines))
    (tmp_path / "other.json").write_text('{"not": "a table"}')
    still = frames(1, 0).expand(3, -1, -1, -1)
    edits = tmp_path / "mine"
    pictures(edits / "a", still)
    half = frames(2, 1) * 0
    half[1] = 0.6  # 153 of 255 levels
    pictures(edits / "b", half)
    options = EvaluateOptions(
        benchmark="ivebench", benchmark_data=tmp_path, dino_model=str(small_dino(tmp_path / "dino")),
        out=tmp_path / "run",
    )  # fmt: skip
    done = evaluate(edits, options)
    assert done.means["Temporal flickering"] == pytest.approx((1 + 0.4) / 2)
    found = rows(tmp_path / "run")
    three = [float(found[name][1]) for name in
             ("Subject consistency", "Background consistency", "Temporal flickering")]  # fmt: skip
    value, note = found["quality"][1].split(" ", 1)
    assert float(value) == pytest.approx(np.mean(three), abs=1e-4) and note == "(3 of 5 measures)"
    assert found["total"][1] == "–"


def test_a_name_with_a_dot_is_no_name_with_a_suffix(tmp_path: Path) -> None:
    """2024.05.01-beach is missing, and 2024.05 is another clip."""
    lines = [
        {"id": number, "src_video_name": name, "target_prompt": "a duck"}
        for number, name in enumerate(("2024.05.mp4", "2024.05.01-beach"))
    ]
    (tmp_path / "ivebench_prompt.json").write_text(json.dumps(lines))
    pictures(tmp_path / "mine" / "2024.05", frames(1, 0).expand(3, -1, -1, -1))
    asked = EvaluateOptions(benchmark="ivebench", benchmark_data=tmp_path, out=tmp_path / "run")
    done = evaluate(tmp_path / "mine", asked)
    assert (done.videos, list(done.failed)) == (1, ["2024.05.01-beach"])


def test_cosines_by_hand() -> None:
    features = torch.tensor([[1.0, 0], [0, 2.0], [-1.0, 1.0]])
    assert neighbours(features) == pytest.approx((0 + 0.5**0.5) / 2)
    assert neighbours_and_first(features) == pytest.approx((0 + 0.5**0.5 + 0 + 0) / 4)
    assert (
        cut(frames(2, 0, (40, 90)), 32).shape == squashed(frames(2, 0, (40, 90)), 32).shape == (2, 3, 32, 32)
    )


@pytest.mark.parametrize(
    ("which", "expected"),
    [("v2vbench", "no config.yaml"), ("five", "no edit_prompt/edit"), ("ivebench", "no json list")],
)
def test_a_wrong_folder_says_what_was_expected(which: str, expected: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(DataError, match=expected) as error:
        evaluate(folder, EvaluateOptions(benchmark=which, out=tmp_path / "run"))  # pyright: ignore
    assert "in your folder" in error.value.hint and not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="expected a folder of edits"):
        evaluate(tmp_path / "nothing", EvaluateOptions(benchmark=which, out=tmp_path / "run"))  # pyright: ignore


def test_odd_tables_are_told(v2vbench: Path, tmp_path: Path) -> None:
    def told(text: str) -> str:
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / "config.yaml").write_text(text)
        options = EvaluateOptions(
            benchmark="v2vbench", benchmark_data=tmp_path / "data", out=tmp_path / "run"
        )
        with pytest.raises((DataError, InputError)) as error:
            evaluate(v2vbench, options)
        return str(error.value)

    assert "not YAML" in told("data: [")
    assert "no data" in told("others: 1")
    assert "expected an object" in told("- 1")
    assert "inside of the folder" in told("data:\n- video_id: ../hike\n  edit: [{prompt: a}]\n")
    assert "none of V2VBench's 1 edits is there" in told("data:\n- video_id: x\n  edit: [{prompt: a}]\n")
    with pytest.raises(InputError, match="--benchmark-data without --benchmark"):
        evaluate(v2vbench, EvaluateOptions(benchmark_data=tmp_path, out=tmp_path / "run"))
    (tmp_path / "edit_prompt").mkdir()
    (tmp_path / "edit_prompt" / "edit1_FiVE.json").write_text('{"0": {"video_name": "a"}}')
    with pytest.raises(DataError, match="a json dict, expected a list"):
        evaluate(tmp_path, EvaluateOptions(benchmark="five", out=tmp_path / "run"))
    (tmp_path / "edit_prompt" / "edit1_FiVE.json").write_text('[{"video_name": "a"}]')
    with pytest.raises(DataError, match="no lines.0.source_prompt"):
        evaluate(tmp_path, EvaluateOptions(benchmark="five", out=tmp_path / "run"))
    with pytest.raises(InputError, match="--prompt beside --benchmark v2vbench"):
        evaluate(v2vbench, EvaluateOptions(benchmark="v2vbench", prompt="a", out=tmp_path / "run"))


def test_one_of_several_edits_is_not_picked(v2vbench: Path, tmp_path: Path) -> None:
    Clip.of(torch.rand(3, 3, 32, 32)).write(v2vbench / "hike" / "0.mp4")
    options = EvaluateOptions(benchmark="v2vbench", benchmark_data=v2vbench, out=tmp_path / "run")
    with pytest.raises(DataError, match=r"hike/0 and .*0.mp4: both may be the edit 0"):
        evaluate(v2vbench, options)
