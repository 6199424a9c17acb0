"""Every editor with every kind of model and of adaptor, in both precisions, with depth and without."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from frameweave.adaptor.adaptor import Adaptor
from frameweave.editors import registry
from frameweave.editors.running import edit_clip
from frameweave.models.loading.load import load
from frameweave.models.seam import Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from networks import assert_same, networks
from tiny import new_adaptor

STEPS, FRAMES = 4, 3
KINDS = {"sd-fp32": "tiny", "sd-bf16": "tiny", "sdxl-fp32": "tiny_xl"}
WITH_DEPTH: dict[str, dict[str, Any]] = {
    "anchored": {"controlnet": True},
    "flatten": {"controlnet": True},
    "shuffled": {"controlnet": True},
    "tokenflow": {"controlnet": True},
    "vidtome": {"variant": "depth"},
}
CASES = [
    *(pytest.param(name, {}, id=name) for name in registry.names()),
    *(pytest.param(name, settings, id=f"{name}-depth") for name, settings in WITH_DEPTH.items()),
]


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> StableDiffusion:
    folder: Path = request.getfixturevalue(f"{KINDS[request.param]}_folder")
    return load(str(folder), device="cpu", dtype=request.param.split("-")[1])


@pytest.fixture(scope="module")
def own(model: StableDiffusion) -> Adaptor:
    """An adaptor for that model."""
    return new_adaptor(model)


def edited(model: Model, name: str, settings: dict[str, Any]) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    clip = Clip.of(torch.rand(FRAMES, 3, 16, 24, generator=rng))
    depth = torch.rand(FRAMES, 1, 16, 24, generator=rng)
    editor = registry.make(name, {"steps": STEPS, "guidance": 3.0} | settings)
    result = edit_clip(editor, clip, "a red car", model, source_prompt="a blue car", depth=depth, rng=rng)
    assert result.frames.shape == clip.frames.shape
    assert torch.isfinite(result.frames).all()
    return result.frames


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_adaptors(name: str, settings: dict[str, Any], model: StableDiffusion, own: Adaptor) -> None:
    """Each kind changes the result, the window's first step of four being active; the network does not."""
    before = networks(model)
    results = [edited(model, name, settings)]
    for tokens in (False, True):
        use = own.use(strength=1.0, tokens=tokens).by_share(model.schedule.timesteps(STEPS))
        with own.on(model, use) as adapted_model:
            results.append(edited(adapted_model, name, settings))
    assert_same(before, networks(model))
    plain, low_rank, with_tokens = results
    assert not torch.equal(plain, low_rank)
    assert not torch.equal(low_rank, with_tokens)


@pytest.mark.parametrize(("name", "settings"), CASES)
@pytest.mark.parametrize("silent", ["strength 0", "no active step"])
def test_a_silent_adaptor_is_none_bit_for_bit(
    name: str,
    settings: dict[str, Any],
    silent: str,
    model: StableDiffusion,
    own: Adaptor,
) -> None:
    """The window by value begins at 900; four steps visit 751 at most."""
    use = own.use(strength=0.0 if silent == "strength 0" else None, tokens=False)
    if silent == "strength 0":
        use = use.by_share(model.schedule.timesteps(STEPS))
    with own.on(model, use) as adapted_model:
        assert torch.equal(edited(adapted_model, name, settings), edited(model, name, settings))
