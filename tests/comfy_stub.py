"""ComfyUI's side of its node interface, as far as workflows of core nodes and our own nodes need it.

The table holds what the core nodes of ComfyUI 0.8 take and give: a type each, or the values of a list.
`check` finds what ComfyUI's validation of a workflow finds.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

SAMPLERS = ["euler", "euler_ancestral", "ddim", "dpmpp_2m"]
SCHEDULERS = ["normal", "karras", "ddim_uniform"]
NUMBERS = {"INT": int, "FLOAT": (int, float), "BOOLEAN": bool, "STRING": str}


@dataclass(frozen=True)
class Core:
    """What a node takes and gives."""

    takes: dict[str, Any]
    gives: tuple[str, ...] = ()
    may_take: dict[str, Any] = field(default_factory=dict)


_SAMPLED = {
    "model": "MODEL",
    "positive": "CONDITIONING",
    "negative": "CONDITIONING",
    "latent_image": "LATENT",
}
CORE = {
    "CheckpointLoaderSimple": Core({"ckpt_name": "STRING"}, ("MODEL", "CLIP", "VAE")),
    "CLIPTextEncode": Core({"text": "STRING", "clip": "CLIP"}, ("CONDITIONING",)),
    "CreateHookLora": Core(
        {"lora_name": "STRING", "strength_model": "FLOAT", "strength_clip": "FLOAT"},
        ("HOOKS",),
        {"prev_hooks": "HOOKS"},
    ),
    "CreateHookKeyframe": Core(
        {"strength_mult": "FLOAT", "start_percent": "FLOAT"},
        ("HOOK_KEYFRAMES",),
        {"prev_hook_kf": "HOOK_KEYFRAMES"},
    ),
    "SetHookKeyframes": Core({"hooks": "HOOKS"}, ("HOOKS",), {"hook_kf": "HOOK_KEYFRAMES"}),
    "PairConditioningSetProperties": Core(
        {
            "positive_NEW": "CONDITIONING",
            "negative_NEW": "CONDITIONING",
            "strength": "FLOAT",
            "set_cond_area": ["default", "mask bounds"],
        },
        ("CONDITIONING", "CONDITIONING"),
        {"mask": "MASK", "hooks": "HOOKS", "timesteps": "TIMESTEPS_RANGE"},
    ),
    "EmptyLatentImage": Core({"width": "INT", "height": "INT", "batch_size": "INT"}, ("LATENT",)),
    "KSampler": Core(
        {
            **_SAMPLED, "seed": "INT", "steps": "INT", "cfg": "FLOAT", "denoise": "FLOAT",
            "sampler_name": SAMPLERS, "scheduler": SCHEDULERS,
        },
        ("LATENT",),
    ),
    "KSamplerSelect": Core({"sampler_name": SAMPLERS}, ("SAMPLER",)),
    "BasicScheduler": Core(
        {"model": "MODEL", "scheduler": SCHEDULERS, "steps": "INT", "denoise": "FLOAT"}, ("SIGMAS",)
    ),
    "FlipSigmas": Core({"sigmas": "SIGMAS"}, ("SIGMAS",)),
    "SamplerCustom": Core(
        {
            **_SAMPLED, "add_noise": "BOOLEAN", "noise_seed": "INT", "cfg": "FLOAT",
            "sampler": "SAMPLER", "sigmas": "SIGMAS",
        },
        ("LATENT", "LATENT"),
    ),
    "VAEEncode": Core({"pixels": "IMAGE", "vae": "VAE"}, ("LATENT",)),
    "VAEDecode": Core({"samples": "LATENT", "vae": "VAE"}, ("IMAGE",)),
    "SaveImage": Core({"images": "IMAGE", "filename_prefix": "STRING"}),
    "LoadVideo": Core({"file": "STRING"}, ("VIDEO",)),
    "GetVideoComponents": Core({"video": "VIDEO"}, ("IMAGE", "AUDIO", "FLOAT")),
    "ImageFromBatch": Core({"image": "IMAGE", "batch_index": "INT", "length": "INT"}, ("IMAGE",)),
    "ImageScale": Core(
        {
            "image": "IMAGE", "width": "INT", "height": "INT", "crop": ["disabled", "center"],
            "upscale_method": ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"],
        },
        ("IMAGE",),
    ),
    "CreateVideo": Core({"images": "IMAGE", "fps": "FLOAT"}, ("VIDEO",), {"audio": "AUDIO"}),
    "SaveVideo": Core(
        {
            "video": "VIDEO", "filename_prefix": "STRING", "format": ["auto", "mp4"],
            "codec": ["auto", "h264"],
        }
    ),
}  # fmt: skip
SAVES = ("SaveImage", "SaveVideo")


def of_class(node: Any) -> Core:
    """What a custom node says of itself."""
    asked = node.INPUT_TYPES()
    kinds = {
        part: {name: one[0] for name, one in asked.get(part, {}).items()} for part in ("required", "optional")
    }
    return Core(kinds["required"], tuple(node.RETURN_TYPES), kinds["optional"])


def check(workflow: Mapping[str, Mapping[str, Any]], known: Mapping[str, Core] = CORE) -> list[str]:
    """What is wrong with a workflow in API format, and which nodes nothing comes of."""
    wrong: list[str] = []
    used: set[str] = set()
    for key, node in workflow.items():
        kind, given = known[node["class_type"]], node["inputs"]
        wrong += [f"{key}: {name} is missing" for name in kind.takes.keys() - given.keys()]
        wrong += [f"{key}: {name} is unknown" for name in given.keys() - (kind.takes | kind.may_take).keys()]
        for name in given.keys() & (kind.takes | kind.may_take).keys():
            value, expected = given[name], (kind.takes | kind.may_take)[name]
            if isinstance(value, list | tuple):
                source, output = value
                used.add(source)
                gives = known[workflow[source]["class_type"]].gives
                fits = output < len(gives) and gives[output] == expected
            elif isinstance(expected, list):
                fits = value in expected
            else:
                fits = expected in NUMBERS and isinstance(value, NUMBERS[expected])
            wrong += [] if fits else [f"{key}: {name} is {value!r}, expected {expected}"]
    ends = [key for key in workflow if key not in used]
    return wrong + [f"{key}: nothing comes of it" for key in ends if workflow[key]["class_type"] not in SAVES]


class Cancelled(Exception):
    """What ComfyUI raises where its Cancel button was pressed."""


@dataclass
class Running:
    """What nodes have told ComfyUI."""

    bars: list[list[tuple[int, int]]] = field(default_factory=list)
    cancel_after: int | None = None
    """Updates of bars after which the button is pressed."""


def installed(patched: pytest.MonkeyPatch) -> Running:
    """ComfyUI's modules, as far as our nodes import them."""
    running = Running()

    class ProgressBar:
        def __init__(self, total: int) -> None:
            self.seen: list[tuple[int, int]] = []
            running.bars.append(self.seen)

        def update_absolute(self, value: int, total: int | None = None, preview: object = None) -> None:
            assert total is not None
            self.seen.append((value, total))

    def interrupted() -> None:
        if running.cancel_after is not None and sum(map(len, running.bars)) >= running.cancel_after:
            raise Cancelled

    for name, given in {
        "comfy": {},
        "comfy.utils": {"ProgressBar": ProgressBar},
        "comfy.model_management": {"throw_exception_if_processing_interrupted": interrupted},
    }.items():
        module = ModuleType(name)
        for key, value in given.items():
            setattr(module, key, value)
        patched.setitem(sys.modules, name, module)
    return running
