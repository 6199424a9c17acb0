"""The window in stock pipelines: against our own LoRA on their UNet, and other people's adapters."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from torch import Tensor

from frameweave.adaptor.adaptor import Adaptor
from frameweave.adaptor.formats import DIFFUSERS_FILE
from frameweave.adaptor.pipeline import windowed
from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.errors import InputError
from frameweave.models.stable_diffusion import StableDiffusion
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


def made(pipeline: DiffusionPipeline, **given: Any) -> Tensor:
    if not isinstance(pipeline, StableDiffusionImg2ImgPipeline):
        given["latents"] = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    return pipeline(
        "a red car",
        negative_prompt="",
        num_inference_steps=STEPS,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(2),
        output_type="pt",
        **given,
    ).images


@pytest.mark.parametrize(
    "kind",
    [
        DDIMScheduler,
        DPMSolverMultistepScheduler,
        HeunDiscreteScheduler,  # visits its timesteps twice
        PNDMScheduler,
        EulerAncestralDiscreteScheduler,
    ],
)
def test_it_equals_our_own_lora_with_the_others_adapter_kept(
    pipeline: StableDiffusionPipeline, adaptor: Adaptor, kind: type
) -> None:
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
    use = adaptor.use(strength=0.5)
    before = made(pipeline)
    with windowed(pipeline, use, adapter=OURS):
        first = made(pipeline)
        second = made(pipeline)
    assert torch.equal(made(pipeline), before)
    assert torch.equal(first, second)
    with adaptor.in_unet(pipeline.unet, use):
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
    pipeline: StableDiffusionPipeline, adaptor: Adaptor, active: list[str], weights: list[float], fails: bool
) -> None:
    pipeline.set_adapters(active, weights)
    before, output = state(pipeline), prediction(pipeline.unet, 950)

    def failing(*arguments: Any) -> dict[str, Any]:
        raise RuntimeError("stopped by the user")

    stopped = pytest.raises(RuntimeError, match="stopped") if fails else nullcontext()
    with stopped, windowed(pipeline, adaptor.use(), adapter=OURS):
        made(pipeline, **{"callback_on_step_end": failing} if fails else {})
    assert state(pipeline) == before
    assert torch.equal(prediction(pipeline.unet, 950), output)


@contextmanager
def strengths_seen(pipeline: DiffusionPipeline) -> Generator[list[tuple[int, float]], None, None]:
    """The timesteps of the UNet's calls, each with the weight of our adapter (alpha is the rank)."""
    layer = pipeline.unet.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q")
    seen: list[tuple[int, float]] = []

    def look(_module: object, args: tuple[Any, ...]) -> None:
        assert STYLE in layer.active_adapters
        seen[-1] = seen[-1][0], layer.scaling[OURS] if OURS in layer.active_adapters else 0.0

    hooks = [
        pipeline.unet.register_forward_pre_hook(lambda _module, args: seen.append((int(args[1]), -1.0))),
        layer.register_forward_pre_hook(look),
    ]
    yield seen
    for hook in hooks:
        hook.remove()


def test_it_acts_as_the_schedule_says(pipeline: StableDiffusionPipeline, adaptor: Adaptor) -> None:
    use = adaptor.use(strength=StrengthSchedule.parse("0.9-1:2,0.5-0.7:0.5"))
    with strengths_seen(pipeline) as seen, windowed(pipeline, use, adapter=OURS):
        made(pipeline)
    assert seen == [(t, 2 if t >= 900 else 0.5 if 500 <= t < 700 else 0) for t in range(951, 0, -50)]


@pytest.mark.parametrize(("strength", "first"), [(0.5, 451), (0.75, 701)])
def test_image_to_image_begins_later_and_acts_at_the_same_timesteps(
    pipeline: StableDiffusionPipeline, adaptor: Adaptor, strength: float, first: int
) -> None:
    pipeline = StableDiffusionImg2ImgPipeline.from_pipe(pipeline)
    pipeline.set_progress_bar_config(disable=True)
    use = adaptor.use(strength=StrengthSchedule.parse("0.3-0.6:1"))
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    with strengths_seen(pipeline) as seen, windowed(pipeline, use, adapter=OURS):
        made(pipeline, image=picture, strength=strength)
    assert seen == [(t, float(300 <= t < 600)) for t in range(first, 0, -50)]


def test_the_adapter_must_be_there(pipeline: StableDiffusionPipeline, adaptor: Adaptor) -> None:
    with (
        pytest.raises(InputError, match=r"no adapter 'temporal', it has ours, style; give adapter_name"),
        windowed(pipeline, adaptor.use(), adapter="temporal"),
    ):
        pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pipeline: pipeline.fuse_lora(adapter_names=[OURS]), "fused into the UNet.*unfuse_lora"),
        (lambda pipeline: pipeline.fuse_lora(adapter_names=[STYLE]), "fused into the UNet.*unfuse_lora"),
        (lambda pipeline: pipeline.disable_lora(), "switched off in the UNet.*enable_lora"),
    ],
)
def test_where_no_adapter_can_act_that_is_told(
    pipeline: StableDiffusionPipeline, adaptor: Adaptor, change: Any, said: str
) -> None:
    change(pipeline)
    before = prediction(pipeline.unet, 950)
    with pytest.raises(InputError, match=said), windowed(pipeline, adaptor.use(), adapter=OURS):
        pass
    with pytest.raises(InputError, match=said), adaptor.in_unet(pipeline.unet, adaptor.use()):
        pass
    assert torch.equal(prediction(pipeline.unet, 950), before)


@pytest.mark.parametrize("names", [["frameweave"], ["frameweave", "frameweave1"]])
def test_a_lora_of_our_own_name_stays_as_it_is(
    tiny_folder: Path, saved: Path, adaptor: Adaptor, names: list[str]
) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_folder)
    for name in names:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            pipeline.load_lora_weights(saved, weight_name=DIFFUSERS_FILE, adapter_name=name)
    pipeline.set_adapters(names, [0.5] * len(names))
    before, output = state(pipeline), prediction(pipeline.unet, 950)
    with adaptor.in_unet(pipeline.unet, adaptor.use(strength=0.5)):
        twice = prediction(pipeline.unet, 950)
    assert state(pipeline) == before
    assert torch.equal(prediction(pipeline.unet, 950), output)
    pipeline.set_adapters(names, [1.0, *[0.5] * (len(names) - 1)])
    torch.testing.assert_close(prediction(pipeline.unet, 950), twice, rtol=1e-4, atol=1e-5)


def test_two_adaptors_act_side_by_side(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    plain = {t: prediction(tiny.unet, t) for t in (950, 500)}
    early, late = (adaptor.use(strength=StrengthSchedule.parse(text)) for text in ("0.9-1:1", "0-1:0.5"))
    with adaptor.in_unet(tiny.unet, early), adaptor.in_unet(tiny.unet, late):
        both = {t: prediction(tiny.unet, t) for t in (950, 500)}
    for t, strength in ((950, 1.5), (500, 0.5)):
        with adaptor.in_unet(tiny.unet, adaptor.use(strength=StrengthSchedule.parse(f"0-1:{strength}"))):
            torch.testing.assert_close(prediction(tiny.unet, t), both[t], rtol=1e-4, atol=1e-5)
        assert torch.equal(prediction(tiny.unet, t), plain[t])
