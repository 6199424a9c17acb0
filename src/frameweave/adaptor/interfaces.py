"""What graphical interfaces need to apply the window: a ComfyUI workflow, and a line for A1111.

Both speak of shares of a run. ComfyUI means timestep values by it (start 0.1 is t = 899.1), so its
keyframes serve every sampler; the line for A1111 counts steps, and holds for one sampler and one
number of steps.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import diffusers

from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.errors import InputError

Sampler = Literal["ddim", "dpmpp_2m_karras", "euler_a"]

# Stable Diffusion 1.x's betas, and per sampler: diffusers' class, its settings, ComfyUI's two names.
_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
_SAMPLERS: dict[str, tuple[str, dict[str, Any], tuple[str, str]]] = {
    "ddim": ("DDIMScheduler", {"timestep_spacing": "leading"}, ("ddim", "ddim_uniform")),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, ("dpmpp_2m", "karras")),
    "euler_a": (
        "EulerAncestralDiscreteScheduler",
        {"timestep_spacing": "linspace"},
        ("euler_ancestral", "normal"),
    ),
}
_JUST_BEFORE = 0.0005
"""The share of a run over which A1111's weight falls: less than one step of a thousand."""


def sampler_timesteps(sampler: Sampler, steps: int) -> list[float]:
    """The timesteps that diffusers' scheduler of that kind visits, noisiest first; some are fractions.

    Raises `InputError` unless 1 <= steps <= 1000.
    """
    if not 1 <= steps <= 1000:
        raise InputError(f"{steps} steps, expected 1 to 1000", hint="20 to 50 are usual")
    kind, settings, _ = _SAMPLERS[sampler]
    scheduler = getattr(diffusers, kind).from_config(_BETAS | settings)
    scheduler.set_timesteps(steps)
    return [float(t) for t in scheduler.timesteps]


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


def comfy_workflow(
    lora_file: str, strengths: StrengthSchedule, *, sampler: Sampler, steps: int
) -> dict[str, Any]:
    """A text-to-image workflow in ComfyUI's API format, the LoRA hooked to both prompts.

    Keyframes of the hook give its strength by timestep.

    Nodes by id; an input `["4", 1]` is the second output of node 4. `ckpt_name`, the prompts and
    the size are there to be changed.
    """
    sampler_name, scheduler = _SAMPLERS[sampler][2]
    nodes: dict[str, Any] = {}

    def node(kind: str, **inputs: Any) -> str:
        key = str(len(nodes) + 1)
        nodes[key] = {"class_type": kind, "inputs": inputs}
        return key

    model = node("CheckpointLoaderSimple", ckpt_name="v1-5-pruned-emaonly.safetensors")
    texts = [
        node("CLIPTextEncode", text=text, clip=[model, 1])
        for text in ("a red car in the snow", "blurry, distorted")
    ]
    hook = node("CreateHookLora", lora_name=lora_file, strength_model=strengths.largest, strength_clip=0.0)
    frame: dict[str, Any] = {}
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
    latent = node("EmptyLatentImage", width=512, height=512, batch_size=1)
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
