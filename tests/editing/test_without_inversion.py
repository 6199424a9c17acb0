"""Edits of video files that sample the edit itself: masks, several prompts, no kept inversions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from frameweave.editing.edit import edit
from frameweave.editing.footage import Fit
from frameweave.editing.given.mask import Mask
from frameweave.editing.options import EditOptions
from frameweave.editors.delta import Delta
from frameweave.editors.request import EditRequest
from frameweave.models.stable_diffusion import StableDiffusion
from videos import colour_ramp, write_video


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditOptions:
    return EditOptions(
        model=str(tiny_folder), device="cpu", editor="delta", steps=3, out=tmp_path / "run",
        cache=tmp_path / "cache", source_prompt="a ramp",
    )  # fmt: skip


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", colour_ramp(3, (50, 30)), fps=6)


def test_several_prompts_share_the_source_and_give_the_bytes_of_one(
    options: EditOptions, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, calls = ["a red car", "a green car"], list[int]()
    original = StableDiffusion.predict

    def counting(self: StableDiffusion, x: Tensor, *args: Any) -> Tensor:
        found = original(self, x, *args)
        calls.append(found.shape[0] * found.shape[1])
        return found

    monkeypatch.setattr(StableDiffusion, "predict", counting)
    together = edit(video, prompts, options)
    assert sum(calls) == 3 * 3 * (1 + 2 * 2)
    for prompt, one in zip(prompts, together, strict=True):
        alone = edit(video, [prompt], options.replaced(out=tmp_path / prompt))[0]
        assert alone.video.read_bytes() == one.video.read_bytes()
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".motion"}  # and no inversion


def test_a_mask_reaches_the_editor_as_a_region_of_latents(
    options: EditOptions, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    white = np.zeros((30, 50), np.uint8)
    white[:, :25] = 255
    Image.fromarray(white).save(tmp_path / "mask.png")
    seen: list[tuple[EditRequest, Tensor]] = []
    original = Delta.edit

    def watched(self: Delta, request: EditRequest) -> Tensor:
        seen.append((request, original(self, request)))
        return seen[-1][1]

    monkeypatch.setattr(Delta, "edit", watched)
    edit(video, ["a red car"], options.replaced(mask=tmp_path / "mask.png"))
    request, found = seen[0]
    region = request.region
    assert region is not None and region.shape == (3, 1, *found.shape[2:])
    outside = (region == 0).expand_as(found)
    assert 0.4 < float(region.mean()) < 0.6
    assert torch.equal(found[outside], request.x_0[outside])
    assert not torch.equal(found, request.x_0)


def test_a_latent_is_edited_where_any_of_its_pixels_is(tmp_path: Path) -> None:
    """At its own size, scaled down, and padded: the padding goes on as the frame ends."""
    white = np.zeros((16, 24), np.uint8)
    white[5, 6] = 255
    white[15, 23] = 9  # faint, but the edit is mixed in
    white[0, 23] = 4  # what a lossy video makes of black
    Image.fromarray(white).save(tmp_path / "mask.png")
    mask = Mask(tmp_path / "mask.png", (24, 16))
    whole = mask.region(2, Fit((24, 16), (24, 16), (24, 16)), (8, 12))
    expected = torch.zeros(2, 1, 8, 12)
    expected[:, :, 2, 3] = expected[:, :, 7, 11] = 1
    assert torch.equal(whole, expected)
    smaller = mask.region(1, Fit((24, 16), (12, 8), (16, 8)), (4, 8))
    assert smaller[0, 0].nonzero().tolist() == [[1, 1], [3, 5], [3, 6], [3, 7]]


def test_a_video_mask_has_a_region_for_each_frame(tmp_path: Path) -> None:
    for number in range(3):
        white = np.zeros((8, 8), np.uint8)
        white[:, 2 * number : 2 * number + 2] = 255
        (tmp_path / "mask").mkdir(exist_ok=True)
        Image.fromarray(white).save(tmp_path / "mask" / f"{number}.png")
    region = Mask(tmp_path / "mask", (8, 8)).region(3, Fit((8, 8), (8, 8), (8, 8)), (4, 4))
    assert region[:, 0, 0].argmax(1).tolist() == [0, 1, 2]
    assert region.sum() == 3 * 4
