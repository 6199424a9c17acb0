"""A clip in memory is edited: what is given wrongly, and editors that break their contract."""

from typing import Any

import pytest
import torch
from torch import Tensor

from frameweave.editors.base import Editor
from frameweave.editors.delta import Delta
from frameweave.editors.request import EditRequest
from frameweave.editors.running import edit_clip
from frameweave.editors.text2video_zero import Text2VideoZero
from frameweave.errors import InputError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip


class Broken(Editor):
    """Gives what its setting says of the source's latents."""

    gives: str = "all"

    def edit(self, request: EditRequest) -> Any:
        x = request.x_0
        return {"all": x, "fewer": x[:1], "more": torch.cat([x, x]), "smaller": x[..., ::2], "none": None}[
            self.gives
        ]


@pytest.fixture
def clip() -> Clip:
    return Clip.of(torch.rand(2, 3, 16, 16))


def edited(editor: Editor, clip: Clip, tiny: StableDiffusion, **others: Any) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return edit_clip(editor, clip, "a red car", tiny, rng=rng, **others).frames


@pytest.mark.parametrize("gives", ["fewer", "more", "smaller", "none"])
def test_an_editor_that_breaks_its_contract_is_told(gives: str, clip: Clip, tiny: StableDiffusion) -> None:
    assert len(edited(Broken(), clip, tiny)) == 2
    with pytest.raises(InputError, match=r"gives .*, expected latents of \(2, 4, .*correct the editor"):
        edited(Broken(gives=gives), clip, tiny)


def test_depth_is_of_each_frame(clip: Clip, tiny: StableDiffusion) -> None:
    depth = torch.rand(2, 1, 16, 16)
    assert len(edited(Text2VideoZero(steps=1), clip, tiny, depth=depth)) == 2
    with pytest.raises(InputError, match=r"depth of 2 frames of 8 x 8, the clip has 2 of 16 x 16"):
        edited(Text2VideoZero(steps=1), clip, tiny, maps={"depth": torch.rand(2, 1, 8, 8)})
    with pytest.raises(InputError, match="depth is given twice"):
        edited(Text2VideoZero(steps=1), clip, tiny, depth=depth, maps={"depth": depth})


def test_clips_of_other_numbers_are_told(clip: Clip, tiny: StableDiffusion) -> None:
    bright = Clip(clip.frames * 255, clip.times)
    with pytest.raises(InputError, match="expected 0 to 1"):
        edited(Delta(steps=1), bright, tiny)
