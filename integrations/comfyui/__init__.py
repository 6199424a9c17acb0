"""Frameweave's nodes for ComfyUI. ComfyUI reads the two tables below when it starts."""

from .adaptor import FrameweaveAdaptor
from .edit import FrameweaveEdit
from .steady import FrameweaveSteady

NODE_CLASS_MAPPINGS = {one.__name__: one for one in (FrameweaveEdit, FrameweaveAdaptor, FrameweaveSteady)}
NODE_DISPLAY_NAME_MAPPINGS = {
    "FrameweaveEdit": "Frameweave Edit",
    "FrameweaveAdaptor": "Frameweave Adaptor",
    "FrameweaveSteady": "Frameweave Steady",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
