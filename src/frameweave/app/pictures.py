"""Pictures and videos as browsers show them, made once and kept beside the runs."""

import hashlib
from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

from PIL import Image

from frameweave.runs.atomic import staged
from frameweave.video import Picture, VideoWriter, frames_at, probe, read_frames, timeline
from frameweave.video.opening import opened
from frameweave.video.sequences import is_pictures

_POSTER, _FRAME = 320, 640
"""Pixels of the longer side at most."""
_PLAYED = {".mp4": ("h264", "vp9", "av1"), ".webm": ("vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d")}
"""Codecs that browsers play, by the suffix of the file."""
_PLAIN = ("yuv420p", "yuvj420p")


class Shown:
    """Makes what browsers can show of videos; results of runs and uploads alike.

    What was made is found again by the video's path, size and time of change. All methods raise `InputError`
    for a video that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` holds what was made."""
        self._folder = folder

    def poster(self, video: Path) -> Path:
        """A small JPEG of the middle frame, with the longer side of at most 320 pixels."""
        place = self._place(video, "poster.jpg")
        if not place.exists():
            line = timeline(video, torn=True)
            ((_, pixels),) = frames_at(video, line, [len(line) // 2])
            _write(pixels, place, _POSTER)
        return place

    def frame(self, video: Path, seconds: float) -> Path:
        """A JPEG of the frame that is shown at a time, with the longer side of at most 640 pixels."""
        line = timeline(video, torn=True)
        number = max(bisect_right(line.times, Fraction(seconds)) - 1, 0)
        place = self._place(video, f"{number}.jpg")
        if not place.exists():
            ((_, pixels),) = frames_at(video, line, [number])
            _write(pixels, place, _FRAME)
        return place

    def playable(self, video: Path) -> Path:
        """The video itself where browsers play it (H.264 4:2:0 in mp4, VP9 in webm), else such a copy."""
        if _plays(video):
            return video
        place = self._place(video, "copy.mp4")
        if not place.exists():
            info = probe(video)
            width, height = (max(side // 2 * 2, 2) for side in (info.width, info.height))
            sound = None if is_pictures(video) else video
            place.parent.mkdir(parents=True, exist_ok=True)
            with VideoWriter(
                place, size=(width, height), fps=info.fps, audio=sound, pixel_shape=info.pixel_shape
            ) as writer:
                for one in read_frames(video):
                    writer.write(_even(one.pixels), one.time, one.duration)
        return place

    def _place(self, video: Path, name: str) -> Path:
        found = video.stat()
        look = f"{video.resolve()}\0{found.st_size}\0{found.st_mtime_ns}"
        return self._folder / f"{hashlib.sha256(look.encode(errors='replace')).hexdigest()[:32]}-{name}"


def _plays(video: Path) -> bool:
    codecs = _PLAYED.get(video.suffix.lower(), ())
    if not codecs:
        return False
    with opened(video) as file:
        found = file.stream.codec_context
        return found.name in codecs and found.pix_fmt in _PLAIN


def _even(pixels: Picture) -> Picture:
    """Without the last row or column of an odd size; a single one is doubled. 4:2:0 has no odd sizes."""
    height, width = pixels.shape[:2]
    doubled = pixels.repeat(2 if height == 1 else 1, 0).repeat(2 if width == 1 else 1, 1)
    return doubled[: max(height // 2 * 2, 2), : max(width // 2 * 2, 2)]


def _write(pixels: Picture, place: Path, longest: int) -> None:
    image = Image.fromarray(pixels)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    with staged(place) as stage:
        image.save(stage, quality=85)
