"""The node that edits a batch of frames by a prompt."""

from contextlib import nullcontext
from functools import lru_cache

import torch
from torch import Tensor

from frameweave.api import (
    Clip,
    Editor,
    InputError,
    StableDiffusion,
    edit_clip,
    editor_names,
    load_depth_estimator,
    load_editor,
    load_model,
    working_size,
)

from .adaptor import ADAPTOR, Chosen
from .anchors import edited_frames
from .batches import frames_of, images_of, resized
from .progress import NodeProgress

_MOST = 2**64 - 1
_PRECISIONS = ["fp32", "auto", "bf16", "fp16"]

_model = lru_cache(maxsize=1)(load_model)
"""The last model stays loaded for the next run."""


class FrameweaveEdit:
    """Edits frames with one of Frameweave's editors."""

    DESCRIPTION = "Edits a video by a prompt. The result has the size and the number of the frames given."
    CATEGORY = "Frameweave"
    FUNCTION = "edit"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("images",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, tuple[object, dict[str, object]]]]:
        """What the node takes."""
        seed = {"default": 0, "min": 0, "max": _MOST, "control_after_generate": True}
        model = {
            "default": "miniature",
            "tooltip": "A diffusers folder, a safetensors file, a hub id, or miniature, the packaged model.",
        }
        settings = {
            "default": "", "multiline": True,
            "tooltip": "More settings of the editor, one a line: radius=3. See `frameweave editors NAME`.",
        }  # fmt: skip
        source = {"default": "", "multiline": True, "tooltip": "What the video shows now."}
        size = {
            "default": 0, "min": 0, "max": 4096, "step": 8,
            "tooltip": "Longer side at which the frames are edited, in pixels. 0: the model's own.",
        }  # fmt: skip
        anchors = {"tooltip": "Frames that you have edited in any program, for the editor anchored."}
        numbers = {
            "default": "",
            "tooltip": "Which frames they are, such as 0, 40; the first frame of the video is 0.",
        }
        precision = {
            "default": "fp32",
            "tooltip": "Of the networks. auto: half precision where the device computes in it.",
        }
        editors = editor_names()
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "The frames of the video."}),
                "prompt": ("STRING", {"default": "", "multiline": True, "tooltip": "What it shall show."}),
                "model": ("STRING", model),
                "editor": (editors, {"default": "delta"}),
                "steps": ("INT", {"default": 25, "min": 1, "max": 1000}),
                "guidance": ("FLOAT", {"default": 7.5, "min": 0.0, "max": 50.0, "step": 0.5}),
                "seed": ("INT", seed),
            },
            "optional": {
                "source_prompt": ("STRING", source),
                "negative_prompt": ("STRING", {"default": "", "multiline": True}),
                "adaptor": (ADAPTOR, {"tooltip": "From the node Frameweave Adaptor."}),
                "size": ("INT", size),
                "precision": (_PRECISIONS, precision),
                "settings": ("STRING", settings),
                "anchors": ("IMAGE", anchors),
                "anchor_frames": ("STRING", numbers),
            },
        }

    @torch.inference_mode(mode=False)  # ComfyUI calls nodes in it, and nothing learns there
    def edit(
        self,
        *,
        images: Tensor,
        prompt: str,
        model: str,
        editor: str,
        steps: int,
        guidance: float,
        seed: int,
        source_prompt: str = "",
        negative_prompt: str = "",
        adaptor: Chosen | None = None,
        size: int = 0,
        precision: str = "fp32",
        settings: str = "",
        anchors: Tensor | None = None,
        anchor_frames: str = "",
    ) -> tuple[Tensor]:
        """Edit the frames at a size that the model takes, and give them back at their own."""
        progress, loaded = NodeProgress(), _model(model, dtype=precision)
        chosen = _editor(editor, {"steps": str(steps), "guidance": str(guidance)}, settings)
        frames = frames_of(images)
        own = frames.shape[3], frames.shape[2]
        worked = working_size(own, size or loaded.longer_side(own), loaded.multiple)
        given = edited_frames(anchors, anchor_frames, own, len(frames))
        clip = Clip.of(resized(frames, worked))
        use = None if adaptor is None else adaptor.adaptor.use(
            editor, strength=adaptor.strength, tokens=adaptor.tokens, T=loaded.schedule.T
        )  # fmt: skip
        on = nullcontext(loaded) if adaptor is None or use is None else adaptor.adaptor.on(loaded, use)
        with on as adapted:
            edited = edit_clip(
                chosen,
                clip,
                prompt,
                adapted,
                source_prompt=source_prompt,
                negative_prompt=negative_prompt,
                depth=_depth(chosen, editor, clip, loaded, model),
                rng=torch.Generator().manual_seed(seed % 2**63),
                anchors={number: resized(frame, worked)[0] for number, frame in given.items()},
                progress=progress,
            )
        result = resized(edited.frames, own)
        for number, frame in given.items():
            result[number] = frame[0]  # as it was given, at any working size
        return (images_of(result),)


def _editor(name: str, usual: dict[str, str], settings: str) -> Editor:
    """The editor with those settings that it has. Raises `InputError` for a line that is no setting."""
    kind = load_editor(name)
    asked = {key: value for key, value in usual.items() if key in kind.model_fields}
    for line in filter(None, map(str.strip, settings.splitlines())):
        key, given, value = line.partition("=")
        if not given:
            raise InputError(f"the setting {line!r}, expected name=value", hint="e.g. radius=3")
        asked[key.strip()] = value.strip()
    return kind(**asked)


def _depth(editor: Editor, name: str, clip: Clip, loaded: StableDiffusion, model: str) -> Tensor | None:
    """The depth of the frames, for editors that need it. Raises `InputError` where the model has none."""
    if not editor.needs_depth:
        return None
    estimator = load_depth_estimator(model)
    if estimator is None or not loaded.controls:
        raise InputError(f"{name} needs depth, and {model} has none", hint="choose another editor")
    return estimator.estimate(clip.frames)
