"""A group out of the members of its sample: pictures, depth and captions; nothing is ever unpickled."""

import io
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from frameweave.data.text import CAPTION_LIMIT, decoded
from frameweave.errors import DataError
from frameweave.video.clip import as_frames
from frameweave.video.group import FrameGroup
from frameweave.video.stills import UNREADABLE

_PICTURES = ("jpg", "png", "webp")


def wanted(names: Mapping[str, object]) -> list[str]:
    """The members that a group is made of, among all of a sample's."""
    return [name for name in names if name == "txt" or _is(name, "f") or _is(name, "d")]


def group_of(members: Mapping[str, bytes], *, where: str) -> FrameGroup:
    """The group of the members f0.jpg, f1.jpg .., d0.png .. and txt; others are left alone.

    Depth is in [0, 1], where 1 is the nearest point of the whole clip. Raises `DataError`, which
    names `where`, when something is missing or damaged.
    """
    frames, maps = (sorted((name for name in members if _is(name, kind)), key=_number) for kind in ("f", "d"))
    if not frames or "txt" not in members or (maps and len(maps) != len(frames)):
        raise DataError(
            f"{where}: found {', '.join(sorted(members)) or 'nothing'}, expected f0.jpg, txt and so on",
            hint="prepare it again",
        )
    try:
        pictures = [_picture(members[name]) for name in frames]
        depth = [_depth(members[name]) for name in maps]
        shown = torch.stack(pictures)
        near = torch.stack(depth) if depth else None
    except (*UNREADABLE, RuntimeError) as error:
        raise DataError(f"{where}: damaged ({error})", hint="run frameweave data check") from error
    return FrameGroup(shown, stored_captions(members["txt"], where=where), near)


def stored_captions(content: bytes, *, where: str) -> tuple[str, ...]:
    """The captions of a txt member, a line each. Raises `DataError`, which names `where`, for other bytes."""
    try:
        texts = decoded(content).splitlines()
    except ValueError as error:
        raise DataError(f"{where}: damaged captions ({error})", hint="run frameweave data check") from error
    return tuple(text[:CAPTION_LIMIT] for text in texts if text.strip())


def _is(name: str, kind: str) -> bool:
    """Whether a member is picture (f) or depth (d) number so and so."""
    stem, _, suffix = name.partition(".")
    return stem[:1] == kind and stem[1:].isdecimal() and suffix in _PICTURES


def _number(name: str) -> int:
    """Of a picture in its group: f10.jpg comes behind f9.jpg."""
    return int(name.partition(".")[0][1:])


def _picture(content: bytes) -> Tensor:
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
        return as_frames(np.array(image.convert("RGB"))[None])[0]


def _depth(content: bytes) -> Tensor:
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        values = np.asarray(image)
    levels = 255 if values.dtype == np.uint8 else 65535
    return torch.from_numpy(values.astype(np.float32) / levels)[None]
