"""Workflows in which ComfyUI applies an adaptor's window: a picture from text, and an edit of a video.

Both are made of core nodes alone, in ComfyUI's API format. ComfyUI means timestep values by the share of a
run (start 0.1 is t = 899.1), so one set of keyframes serves every sampler.
"""

from dataclasses import dataclass

from frameweave.adaptor.formats import SD1, SD2, SDXL
from frameweave.adaptor.interfaces import Sampler
from frameweave.adaptor.strengths import StrengthSchedule

_PICTURE: dict[Sampler, tuple[str, str]] = {
    "ddim": ("ddim", "ddim_uniform"),
    "dpmpp_2m_karras": ("dpmpp_2m", "karras"),
    "euler_a": ("euler_ancestral", "normal"),
}
"""ComfyUI's sampler and scheduler."""
_VIDEO = _PICTURE | {"euler_a": ("euler", "normal")}
"""The same after an inversion: fresh noise would be none of the source's."""
_USUAL = ("v1-5-pruned-emaonly.safetensors", 512)
_CHECKPOINTS = {SD2: ("v2-1_768-ema-pruned.safetensors", 768), SDXL: ("sd_xl_base_1.0.safetensors", 1024)}
"""The checkpoint of a workflow and the side of its pictures, by architecture; others have the usual one's."""
_PROMPT, _NEGATIVE, _SOURCE = "a red car in the snow", "blurry, distorted", "a blue car in the snow"
_FRAMES = 16
"""Frames that a video workflow edits: all of them are in memory at once."""

Output = list[str | int]
"""An output of another node: `["4", 1]` is the second one of node 4."""


@dataclass(frozen=True)
class Node:
    """A node of a ComfyUI workflow."""

    class_type: str
    inputs: dict[str, str | float | Output]
    """Values, and outputs of other nodes."""


class _Nodes(dict[str, Node]):
    """Nodes by id, numbered as they come."""

    def add(self, class_type: str, **inputs: str | float | Output) -> str:
        key = str(len(self) + 1)
        self[key] = Node(class_type, inputs)
        return key


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


def picture_workflow(
    lora_file: str, strengths: StrengthSchedule, *, sampler: Sampler, steps: int, architecture: str = SD1
) -> dict[str, Node]:
    """A picture from text, the LoRA hooked to both prompts; nodes by id.

    `ckpt_name`, the prompts and the size are there to be changed.
    """
    nodes = _Nodes()
    checkpoint, side = _CHECKPOINTS.get(architecture, _USUAL)
    model = nodes.add("CheckpointLoaderSimple", ckpt_name=checkpoint)
    texts = _hooked(nodes, model, lora_file, strengths)
    sampler_name, scheduler = _PICTURE[sampler]
    sampled = nodes.add(
        "KSampler",
        model=[model, 0],
        positive=[texts, 0],
        negative=[texts, 1],
        latent_image=[nodes.add("EmptyLatentImage", width=side, height=side, batch_size=1), 0],
        seed=0,
        steps=steps,
        cfg=7.5,
        sampler_name=sampler_name,
        scheduler=scheduler,
        denoise=1.0,
    )
    image = nodes.add("VAEDecode", samples=[sampled, 0], vae=[model, 2])
    nodes.add("SaveImage", images=[image, 0], filename_prefix="frameweave")
    return nodes


def video_workflow(
    lora_file: str, strengths: StrengthSchedule, *, sampler: Sampler, steps: int, architecture: str = SD1
) -> dict[str, Node]:
    """A video is loaded, inverted, sampled with the LoRA hooked to both prompts, and saved with its sound.

    The inversion is the same sampling backwards, as `framewise` does it. The LoRA has no part in it:
    keyframes are meant for noise that falls. `file`, `length`, the prompts and `ckpt_name` are there to be
    changed.
    """
    nodes = _Nodes()
    checkpoint, side = _CHECKPOINTS.get(architecture, _USUAL)
    model = nodes.add("CheckpointLoaderSimple", ckpt_name=checkpoint)
    source = nodes.add("CLIPTextEncode", text=_SOURCE, clip=[model, 1])
    texts = _hooked(nodes, model, lora_file, strengths)
    video = nodes.add("GetVideoComponents", video=[nodes.add("LoadVideo", file="clip.mp4"), 0])
    first = nodes.add("ImageFromBatch", image=[video, 0], batch_index=0, length=_FRAMES)
    scaled = nodes.add(  # a height of 0 keeps the shape
        "ImageScale", image=[first, 0], upscale_method="lanczos", width=side, height=0, crop="disabled"
    )
    latents = nodes.add("VAEEncode", pixels=[scaled, 0], vae=[model, 2])
    sampler_name, scheduler = _VIDEO[sampler]
    falling = nodes.add("BasicScheduler", model=[model, 0], scheduler=scheduler, steps=steps, denoise=1.0)
    inverted = nodes.add(
        "SamplerCustom",
        model=[model, 0],
        add_noise=False,
        noise_seed=0,
        cfg=1.0,
        positive=[source, 0],
        negative=[source, 0],
        sampler=[nodes.add("KSamplerSelect", sampler_name="euler"), 0],
        sigmas=[nodes.add("FlipSigmas", sigmas=[falling, 0]), 0],
        latent_image=[latents, 0],
    )
    edited = nodes.add(
        "SamplerCustom",
        model=[model, 0],
        add_noise=False,
        noise_seed=0,
        cfg=7.5,
        positive=[texts, 0],
        negative=[texts, 1],
        sampler=[nodes.add("KSamplerSelect", sampler_name=sampler_name), 0],
        sigmas=[falling, 0],
        latent_image=[inverted, 0],
    )
    frames = nodes.add("VAEDecode", samples=[edited, 0], vae=[model, 2])
    made = nodes.add("CreateVideo", images=[frames, 0], fps=[video, 2], audio=[video, 1])
    nodes.add("SaveVideo", video=[made, 0], filename_prefix="video/frameweave", format="auto", codec="auto")
    return nodes


def _hooked(nodes: _Nodes, model: str, lora_file: str, strengths: StrengthSchedule) -> str:
    """Prompt and negative prompt that carry the LoRA, whose strength keyframes give by timestep."""
    positive, negative = (
        nodes.add("CLIPTextEncode", text=text, clip=[model, 1]) for text in (_PROMPT, _NEGATIVE)
    )
    hook = nodes.add(
        "CreateHookLora", lora_name=lora_file, strength_model=strengths.largest, strength_clip=0.0
    )
    frame: dict[str, Output] = {}
    for start, multiplier in keyframes(strengths):
        key = nodes.add("CreateHookKeyframe", strength_mult=multiplier, start_percent=start, **frame)
        frame = {"prev_hook_kf": [key, 0]}
    timed = nodes.add("SetHookKeyframes", hooks=[hook, 0], hook_kf=frame["prev_hook_kf"])
    return nodes.add(  # hooks act only on the conditioning that carries them: both branches need them
        "PairConditioningSetProperties",
        positive_NEW=[positive, 0],
        negative_NEW=[negative, 0],
        strength=1.0,
        set_cond_area="default",
        hooks=[timed, 0],
    )
