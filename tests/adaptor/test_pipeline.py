"""The window in a stock pipeline: the callback against the hook, and other people's adapters."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
)
from torch import Tensor

from frameweave.adaptor.adaptor import Adaptor
from frameweave.adaptor.formats import DIFFUSERS_FILE
from frameweave.adaptor.pipeline import windowed
from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError
from tiny import prediction

OURS, STYLE = "ours", "style"
STEPS = 20


@pytest.fixture
def saved(adaptor: Adaptor, tmp_path: Path) -> Path:
    adaptor.save(tmp_path)
    return tmp_path


@pytest.fixture
def pipeline(saved: Path, tiny_folder: Path) -> StableDiffusionPipeline:
    """With ours, and with another LoRA on other layers and on some of the same ones."""
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_folder)
    pipeline.set_progress_bar_config(disable=True)
    load(pipeline, saved)
    return pipeline


def load(pipeline: StableDiffusionPipeline, saved: Path) -> None:
    pipeline.load_lora_weights(saved, weight_name=DIFFUSERS_FILE, adapter_name=OURS)
    rng, style = torch.Generator().manual_seed(9), {}
    for block in ("down_blocks.0", "up_blocks.1"):
        layer = f"unet.{block}.attentions.0.transformer_blocks.0.attn1.to_q"
        style[f"{layer}.lora_A.weight"] = torch.randn(2, 8, generator=rng)
        style[f"{layer}.lora_B.weight"] = torch.randn(8, 2, generator=rng)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`")  # that is the point
        pipeline.load_lora_weights(style, adapter_name=STYLE)
    pipeline.set_adapters([STYLE], [0.7])


def made(pipeline: StableDiffusionPipeline, callback: Any = None, steps: int = STEPS) -> Tensor:
    return pipeline(
        "a red car",
        negative_prompt="",
        num_inference_steps=steps,
        guidance_scale=3.0,
        latents=torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1)),
        generator=torch.Generator().manual_seed(2),
        output_type="pt",
        callback_on_step_end=callback,
    ).images


@pytest.mark.parametrize(
    "kind", [DDIMScheduler, DPMSolverMultistepScheduler, PNDMScheduler, EulerAncestralDiscreteScheduler]
)
def test_the_callback_equals_the_hook_with_the_others_adapter_kept(
    pipeline: StableDiffusionPipeline, adaptor: Adaptor, saved: Path, tiny_folder: Path, kind: type
) -> None:
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
    before = made(pipeline)
    with windowed(pipeline, Window(), steps=STEPS, adapter=OURS, strength=0.5) as callback:
        first = made(pipeline, callback)
        second = made(pipeline, callback)
    assert torch.equal(made(pipeline), before)
    assert torch.equal(first, second)
    with adaptor.in_unet(pipeline.unet, 1000, strength=0.5):
        hooked = made(pipeline)
    assert float((first - hooked).abs().max()) < 1e-5
    assert float((first - before).abs().max()) > 1e-3
    pipeline.set_adapters([OURS, STYLE], [0.5, 0.7])
    assert float((first - made(pipeline)).abs().max()) > 1e-3  # without a window it is something else


def state(pipeline: StableDiffusionPipeline) -> tuple[object, ...]:
    layers = [m for m in pipeline.unet.modules() if hasattr(m, "scaling")]
    return (
        pipeline.get_active_adapters(),
        [(tuple(layer.active_adapters), dict(layer.scaling)) for layer in layers],
        [parameter.requires_grad for parameter in pipeline.unet.parameters()],
    )


@pytest.mark.parametrize(
    ("active", "weights"), [([STYLE], [0.7]), ([OURS, STYLE], [0.2, 0.7]), ([OURS], [1.3])]
)
@pytest.mark.parametrize("fails", [False, True])
def test_the_adapters_are_what_they_were(
    pipeline: StableDiffusionPipeline, active: list[str], weights: list[float], fails: bool
) -> None:
    pipeline.set_adapters(active, weights)
    before, output = state(pipeline), prediction(pipeline.unet, 950)

    def failing(*arguments: Any) -> dict[str, Any]:
        raise RuntimeError("stopped by the user")

    if fails:
        with (
            pytest.raises(RuntimeError, match="stopped"),
            windowed(pipeline, Window(), steps=STEPS, adapter=OURS),
        ):
            made(pipeline, failing)
    else:
        with windowed(pipeline, Window(), steps=STEPS, adapter=OURS) as callback:
            made(pipeline, callback)
    assert state(pipeline) == before
    assert torch.equal(prediction(pipeline.unet, 950), output)


def test_it_acts_in_the_steps_of_the_window_only(pipeline: StableDiffusionPipeline) -> None:
    layer = pipeline.unet.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q")
    seen: list[tuple[int, bool]] = []

    def look(_module: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append((int(args[1]), OURS in layer.active_adapters))
        assert STYLE in layer.active_adapters

    hook = pipeline.unet.register_forward_pre_hook(look, with_kwargs=True)
    with windowed(pipeline, Window(), steps=STEPS, adapter=OURS) as callback:
        made(pipeline, callback)
    hook.remove()
    assert seen == [(t, t >= 900) for t in range(951, 0, -50)]


def test_the_adapter_must_be_there(pipeline: StableDiffusionPipeline) -> None:
    with (
        pytest.raises(InputError, match=r"no adapter 'temporal', it has ours, style; give adapter_name"),
        windowed(pipeline, Window(), steps=STEPS, adapter="temporal"),
    ):
        pass


def test_another_number_of_steps_is_told(pipeline: StableDiffusionPipeline) -> None:
    with (
        pytest.raises(InputError, match="takes 10 steps from 901, the window was prepared for 20 from 951"),
        windowed(pipeline, Window(), steps=STEPS, adapter=OURS) as callback,
    ):
        made(pipeline, callback, steps=10)
