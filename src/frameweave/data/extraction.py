"""One clip's groups as encoded pictures. Runs in a process of its own, since decoders crash and hang."""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from frameweave.data.grouping import Rough, candidates, fault, fitted, members, roughly
from frameweave.data.options import GroupSettings
from frameweave.data.sources.member import opened
from frameweave.runs.atomic import sha256
from frameweave.video import Timeline, frames_at, timeline

_FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}


@dataclass(frozen=True, kw_only=True)
class Group:
    """Adjacent frames of a clip."""

    numbers: tuple[int, ...]
    """Which frames of the clip, counted from 0."""
    times: tuple[float, ...]
    """When they are shown, in seconds from the clip's first frame."""
    pictures: tuple[bytes, ...]
    """Encoded as the settings say."""


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """What was made of a clip."""

    width: int
    """Of the clip's upright frames, in pixels."""
    height: int
    frames: int
    seconds: float
    sha256: str
    """Of the video's bytes; empty for a folder of pictures."""
    groups: tuple[Group, ...]
    aspect: float | None = None
    """Width over height as shown, where pixels are not square."""
    passed_over: dict[str, int] = field(default_factory=dict[str, int])
    """How many places were tried in vain, by reason: cut, still."""


def extract(path: str, clip: str, settings: GroupSettings) -> Extracted:
    """The groups of a video, which may be a member of a tar.

    Raises `InputError` when the video cannot be read.
    """
    with opened(path) as video:
        line = timeline(video)
    digest = _digest(path)
    passed_over: dict[str, int] = {}
    size = (0, 0)
    chosen = candidates(clip, len(line), settings)
    pending = {part: list(tries) for part, tries in enumerate(chosen)}
    found: dict[int, Group] = {}
    while pending:
        # all groups' first choices in one pass through the video, then what must be tried again
        wanted = {part: members(tries.pop(0), settings) for part, tries in pending.items()}
        seen = _seen(path, line, wanted, settings)
        for part, numbers in wanted.items():
            shown = [seen[number] for number in numbers]
            size = shown[0].size
            reason = fault([one.rough for one in shown], settings)
            if reason:
                passed_over[reason] = passed_over.get(reason, 0) + 1
            else:
                found[part] = _group(line, numbers, shown, settings)
        pending = {part: tries for part, tries in pending.items() if part not in found and tries}
    return Extracted(
        width=size[0],
        height=size[1],
        frames=len(line),
        seconds=round(float(line.times[-1] - line.times[0]), 6),
        sha256=digest,
        groups=tuple(found[part] for part in sorted(found)),
        aspect=line.aspect,
        passed_over=passed_over,
    )


def _digest(path: str) -> str:
    with opened(path) as video:
        if not isinstance(video, Path):
            return hashlib.sha256(video.read()).hexdigest()
        return sha256(video) if video.is_file() else ""


@dataclass(frozen=True)
class _Seen:
    """What is kept of a decoded frame."""

    rough: Rough
    picture: Image.Image
    size: tuple[int, int]


def _seen(
    path: str, line: Timeline, wanted: dict[int, list[int]], settings: GroupSettings
) -> dict[int, _Seen]:
    numbers = [number for group in wanted.values() for number in group]
    with opened(path) as video:
        return {
            number: _Seen(
                roughly(pixels),
                fitted(pixels, settings, aspect=line.aspect),
                (pixels.shape[1], pixels.shape[0]),
            )
            for number, pixels in frames_at(video, line, numbers, threads=1, whole=True)
        }


def _group(line: Timeline, numbers: list[int], shown: list[_Seen], settings: GroupSettings) -> Group:
    return Group(
        numbers=tuple(numbers),
        times=tuple(round(float(line.times[number]), 6) for number in numbers),
        pictures=tuple(encoded(one.picture, settings) for one in shown),
    )


def encoded(picture: Image.Image, settings: GroupSettings) -> bytes:
    """The bytes of a picture file; the same picture gives the same bytes."""
    buffer = io.BytesIO()
    how = {"jpg": {"quality": settings.quality, "subsampling": 0}, "webp": {"quality": settings.quality}}
    picture.save(buffer, _FORMATS[settings.picture], **how.get(settings.picture, {}))
    return buffer.getvalue()
