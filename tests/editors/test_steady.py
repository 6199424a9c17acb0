"""Any editor's result made steadier before it is decoded."""

from typing import Any

import pytest
import torch

from frameweave.editors import registry
from frameweave.editors.running import edit_clip, request_of
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from frameweave.video.motion.motion import motion_of
from frameweave.video.motion.steady import Steady


def asked(clip: Clip) -> dict[str, Any]:
    depth = torch.rand(len(clip), 1, *clip.frames.shape[2:], generator=torch.Generator().manual_seed(9))
    return {"depth": depth, "source_prompt": "a blue car", "rng": torch.Generator().manual_seed(0)}


@pytest.fixture
def slow() -> Clip:
    """Six frames, 24 x 40, of a texture that slides by half a pixel a frame."""
    wide = torch.rand(1, 3, 24, 46, generator=torch.Generator().manual_seed(1))
    smooth = torch.nn.functional.avg_pool2d(wide, 5, stride=1, padding=2)[0]
    steps = [0.5 * frame for frame in range(6)]
    return Clip.of(torch.stack([smooth[:, :, int(at) : int(at) + 40] for at in steps]), fps=8)


@pytest.mark.parametrize("name", registry.names())
def test_latents_are_averaged_along_the_source(name: str, slow: Clip, tiny: StableDiffusion) -> None:
    """Also where the editor uses neither the source nor its motion."""
    editor = registry.make(name, {"steps": 2, "guidance": 3.0})
    as_ever = edit_clip(editor, slow, "a red car", tiny, **asked(slow))
    off = edit_clip(editor, slow, "a red car", tiny, steady=Steady(0.0), **asked(slow))
    assert torch.equal(as_ever.frames, off.frames)
    steadier = edit_clip(editor, slow, "a red car", tiny, steady=Steady(0.7, 3), **asked(slow))
    assert steadier.frames.shape == slow.frames.shape

    given = asked(slow)
    depth = given.pop("depth")
    maps = {"depth": depth} if editor.needs_depth else {}
    x = editor.edit(request_of(editor, slow.frames, tiny, prompt="a red car", maps=maps, **given))
    motion = motion_of(slow.frames, 3, size=(x.shape[2], x.shape[3]))
    assert float(motion.weight.mean()) > 0.3
    expected = tiny.decode(Steady(0.7, 3).of(x, tiny.encode(slow.frames), motion))
    assert torch.equal(steadier.frames, expected)
    assert not torch.allclose(steadier.frames, as_ever.frames, atol=1e-4)
