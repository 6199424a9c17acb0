"""A mask that is painted on a frame of the clip, and one of a file that is refined so."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TypedDict

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SMALLEST = 512
"""Pixels of the longer side on which one can paint; smaller frames are enlarged, the mask scales back."""
_PAINT = (230, 60, 120, 150)
_LIT = 127
"""Grey above which a mask's pixel is shown as painted."""


class Painted(TypedDict):
    """What Gradio's picture editor holds."""

    background: NDArray[np.uint8] | None
    layers: list[NDArray[np.uint8]]
    composite: NDArray[np.uint8] | None


def mask_editor() -> gr.ImageEditor:
    """Brush and eraser on a frame; pictures come from the clip alone."""
    red, green, blue, alpha = _PAINT
    colour = f"rgba({red}, {green}, {blue}, {alpha / 255:.2f})"
    return gr.ImageEditor(
        label="Paint where to edit",
        type="numpy",
        image_mode="RGBA",
        sources=(),
        transforms=(),
        layers=False,
        brush=gr.Brush(colors=[colour], color_mode="fixed", default_size=32),
        eraser=gr.Eraser(default_size=32),
        visible=False,
        height=420,
        elem_id="fw-mask",
    )


def canvas(frame: Path, mask: Path | None = None) -> Painted:
    """A frame to paint on; where there is a mask already, it is painted."""
    with Image.open(frame) as opened:
        picture = opened.convert("RGB")
    factor = max(1, -(-_SMALLEST // max(picture.size)))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    layers: list[NDArray[np.uint8]] = []
    if mask is not None:
        with Image.open(mask) as opened:
            lit = np.asarray(opened.convert("L").resize(picture.size)) > _LIT
        layers.append(np.where(lit[..., None], np.array(_PAINT, np.uint8), np.zeros(4, np.uint8)))
    return {"background": np.asarray(picture.convert("RGBA")), "layers": layers, "composite": None}


def mask_of(painted: Mapping[str, object] | None) -> bytes | None:
    """A PNG that is white where something is painted; None where nothing is."""
    layers = (painted or {}).get("layers")
    if not isinstance(layers, list) or not layers:
        return None
    alpha = np.max([np.asarray(layer)[..., 3] for layer in layers], axis=0)
    if not alpha.any():
        return None
    written = BytesIO()
    Image.fromarray(np.where(alpha > 0, 255, 0).astype(np.uint8)).save(written, "PNG")
    return written.getvalue()
