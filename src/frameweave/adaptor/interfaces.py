"""What graphical interfaces need to apply the window: a ComfyUI workflow, and a line for A1111.

Both speak of shares of a run. ComfyUI means timestep values by it (start 0.1 is t = 899.1), so its
keyframes serve every sampler; the line for A1111 counts steps, and holds for one sampler and one
number of steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.diffusion.samplers import sampler as samplers
from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import SchedulerConfig
from frameweave.diffusion.spacing import shown
from frameweave.errors import InputError

Sampler = Literal["ddim", "dpmpp_2m_karras", "euler_a"]


@dataclass(frozen=True)
class _Known:
    """What others call a sampler."""

    ours: samplers.Sampler
    comfy: tuple[str, str]
    """ComfyUI's sampler and scheduler."""


_SCHEDULE = Schedule.of(SchedulerConfig(beta_start=0.00085, beta_end=0.012, steps_offset=1))
"""Stable Diffusion's."""
_SAMPLERS: dict[Sampler, _Known] = {
    "ddim": _Known(samplers.Sampler("ddim", spacing="leading"), ("ddim", "ddim_uniform")),
    "dpmpp_2m_karras": _Known(samplers.Sampler("dpmpp_2m", spacing="karras"), ("dpmpp_2m", "karras")),
    "euler_a": _Known(samplers.Sampler("euler_a", spacing="linspace"), ("euler_ancestral", "normal")),
}
_CHECKPOINTS = (("v1-5-pruned-emaonly.safetensors", 512), ("sd_xl_base_1.0.safetensors", 1024))
"""The checkpoint of a workflow and the side of its pictures, for Stable Diffusion 1.x and for SDXL."""
_JUST_BEFORE = 0.0005
"""The share of a run over which A1111's weight falls: less than one step of a thousand."""


def sampler_timesteps(sampler: Sampler, steps: int) -> list[float]:
    """The timesteps that a sampler of that kind visits, noisiest first; some are fractions.

    Raises `InputError` unless 1 <= steps <= 1000.
    """
    if not 1 <= steps <= 1000:
        raise InputError(f"{steps} steps, expected 1 to 1000", hint="20 to 50 are usual")
    return [float(shown(t)) for t in _SAMPLERS[sampler].ours.on(_SCHEDULE).timesteps(steps)]


def a1111_weights(strengths: StrengthSchedule, timesteps: Sequence[float]) -> list[float]:
    """The LoRA's weight in each step, as far as loractl can say it.

    A1111 counts a step when it is done, so the first two steps are one to it: the second takes the first's.
    """
    weights = [strengths.at(t) for t in timesteps]
    return [*weights[:1], *weights[:1], *weights[2:]][: len(weights)]


def a1111_line(name: str, strengths: StrengthSchedule, timesteps: Sequence[float]) -> str:
    """The prompt's part that the loractl extension of A1111 reads: weights at shares of a run.

    `name` is the LoRA file's without its ending. Step k of n (from 0) is at the share (k - 1) / (n - 2).
    Weights are interpolated between the shares, so each change takes place just before the step that
    needs it.

    >>> strengths = StrengthSchedule.parse("0.9-1:0.5")
    >>> a1111_line("mine", strengths, [951, 901, 851, 801, 751, 701])
    '<lora:mine:0.5@0,0.5@0.2495,0@0.25>'
    """
    weights = a1111_weights(strengths, timesteps)
    points = [f"{weights[0]:g}@0"]
    for index in range(2, len(weights)):
        before, after = weights[index - 1], weights[index]
        if before != after:
            share = math.floor((index - 1) / (len(weights) - 2) * 1e4) / 1e4  # never after the step
            points += [f"{before:g}@{share - _JUST_BEFORE:g}", f"{after:g}@{share:g}"]
    return f"<lora:{name}:{','.join(points) if len(points) > 1 else f'{weights[0]:g}'}>"


def keyframes(strengths: StrengthSchedule) -> list[tuple[float, float]]:
    """Where ComfyUI changes the LoRA's strength: (start as a share, share of the largest strength).

    >>> [keyframes(StrengthSchedule.parse(text)) for text in ("0.9-1:0.5", "0.5-0.9:2")]
    [[(0.0, 1.0), (0.1, 0.0)], [(0.0, 0.0), (0.1, 1.0), (0.5, 0.0)]]
    """
    points, end = list[tuple[float, float]](), 0.0
    largest = strengths.largest or 1.0
    for window, strength in strengths.parts:
        start = round(1 - window.high, 6)
        if start > end or (start and not points):
            points.append((end, 0.0))
        points.append((start, strength / largest))
        end = round(1 - window.low, 6)
    return points if end == 1 else [*points, (end, 0.0)]


@dataclass(frozen=True)
class Node:
    """A node of a ComfyUI workflow."""

    class_type: str
    inputs: dict[str, str | float | list[str | int]]
    """Values, and outputs of other nodes: `["4", 1]` is the second one of node 4."""


class _Nodes(dict[str, Node]):
    """Nodes by id, numbered as they come."""

    def add(self, class_type: str, **inputs: str | float | list[str | int]) -> str:
        key = str(len(self) + 1)
        self[key] = Node(class_type, inputs)
        return key


def comfy_workflow(
    lora_file: str, strengths: StrengthSchedule, *, sampler: Sampler, steps: int, xl: bool = False
) -> dict[str, Node]:
    """A text-to-image workflow in ComfyUI's API format, the LoRA hooked to both prompts; `xl` is for SDXL.

    Keyframes of the hook give its strength by timestep.

    Nodes by id. `ckpt_name`, the prompts and the size are there to be changed.
    """
    sampler_name, scheduler = _SAMPLERS[sampler].comfy
    nodes = _Nodes()
    node = nodes.add
    checkpoint, side = _CHECKPOINTS[xl]
    model = node("CheckpointLoaderSimple", ckpt_name=checkpoint)
    texts = [
        node("CLIPTextEncode", text=text, clip=[model, 1])
        for text in ("a red car in the snow", "blurry, distorted")
    ]
    hook = node("CreateHookLora", lora_name=lora_file, strength_model=strengths.largest, strength_clip=0.0)
    frame: dict[str, list[str | int]] = {}
    for start, multiplier in keyframes(strengths):
        key = node("CreateHookKeyframe", strength_mult=multiplier, start_percent=start, **frame)
        frame = {"prev_hook_kf": [key, 0]}
    timed = node("SetHookKeyframes", hooks=[hook, 0], hook_kf=frame["prev_hook_kf"])
    pair = node(  # hooks act only on the conditioning that carries them: both branches need them
        "PairConditioningSetProperties",
        positive_NEW=[texts[0], 0],
        negative_NEW=[texts[1], 0],
        strength=1.0,
        set_cond_area="default",
        hooks=[timed, 0],
    )
    latent = node("EmptyLatentImage", width=side, height=side, batch_size=1)
    sampled = node(
        "KSampler",
        model=[model, 0],
        positive=[pair, 0],
        negative=[pair, 1],
        latent_image=[latent, 0],
        seed=0,
        steps=steps,
        cfg=7.5,
        sampler_name=sampler_name,
        scheduler=scheduler,
        denoise=1.0,
    )
    image = node("VAEDecode", samples=[sampled, 0], vae=[model, 2])
    node("SaveImage", images=[image, 0], filename_prefix="frameweave")
    return nodes
