"""Every editor with every kind of adaptor, in both precisions, with depth and without."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from frameweave.adaptor.adaptor import Adaptor
from frameweave.editors import base
from frameweave.editors.base import edit_clip
from frameweave.models.loading import load
from frameweave.models.seam import Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from networks import assert_same, networks

STEPS, FRAMES = 4, 3
DTYPES = ["fp32", "bf16"]
WITH_DEPTH: dict[str, dict[str, Any]] = {"tokenflow": {"controlnet": True}, "vidtome": {"variant": "depth"}}
CASES = [
    *(pytest.param(name, {}, id=name) for name in base.names()),
    *(pytest.param(name, settings, id=f"{name}-depth") for name, settings in WITH_DEPTH.items()),
]


@pytest.fixture(scope="module")
def models(tiny_folder: Path) -> dict[str, StableDiffusion]:
    return {dtype: load(str(tiny_folder), device="cpu", dtype=dtype) for dtype in DTYPES}


def edited(model: Model, name: str, settings: dict[str, Any]) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    clip = Clip.of(torch.rand(FRAMES, 3, 24, 32, generator=rng))
    depth = torch.rand(FRAMES, 1, 24, 32, generator=rng)
    editor = base.make(name, {"steps": STEPS, "guidance": 3.0} | settings)
    result = edit_clip(editor, clip, "a red car", model, source_prompt="a blue car", depth=depth, rng=rng)
    assert result.frames.shape == clip.frames.shape
    assert torch.isfinite(result.frames).all()
    return result.frames


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_adaptors(
    name: str, settings: dict[str, Any], dtype: str, models: dict[str, StableDiffusion], adaptor: Adaptor
) -> None:
    """Each kind changes the result, the window's first step of four being active; the network does not."""
    model = models[dtype]
    before = networks(model)
    results = [edited(model, name, settings)]
    for tokens in (False, True):
        use = adaptor.use(strength=1.0, tokens=tokens).by_share(model.schedule.timesteps(STEPS))
        with adaptor.on(model, use) as adapted_model:
            results.append(edited(adapted_model, name, settings))
    assert_same(before, networks(model))
    plain, low_rank, with_tokens = results
    assert not torch.equal(plain, low_rank)
    assert not torch.equal(low_rank, with_tokens)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "settings"), CASES)
@pytest.mark.parametrize("silent", ["strength 0", "no active step"])
def test_a_silent_adaptor_is_none_bit_for_bit(
    name: str,
    settings: dict[str, Any],
    dtype: str,
    silent: str,
    models: dict[str, StableDiffusion],
    adaptor: Adaptor,
) -> None:
    """The window by value begins at 900; four steps visit 751 at most."""
    model = models[dtype]
    use = adaptor.use(strength=0.0 if silent == "strength 0" else None, tokens=False)
    if silent == "strength 0":
        use = use.by_share(model.schedule.timesteps(STEPS))
    with adaptor.on(model, use) as adapted_model:
        assert torch.equal(edited(adapted_model, name, settings), edited(model, name, settings))
