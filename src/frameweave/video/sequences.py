"""Folders of pictures, single pictures and animated ones, read as videos."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from PIL import Image

from frameweave.errors import InputError
from frameweave.video.colours import Picture
from frameweave.video.opening import check_file, check_size
from frameweave.video.stills import greatest_of, opened_picture, pixels_of, size_shown

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FOLDER_FPS = Fraction(8)
_ANIMATED = ("WEBP", "PNG", "TIFF", "GIF", "AVIF")  # a second picture in other formats is no second frame
_UNTOLD = 100  # milliseconds that viewers show a frame which tells none


def name_of_clip(path: Path) -> str:
    """What a video is called, a file or a folder of its pictures: folders have no suffix.

    >>> name_of_clip(Path("beach.1.mp4"))
    'beach.1'
    """
    return path.name if path.is_dir() else path.stem


@dataclass(frozen=True)
class TimedPicture:
    """One upright frame, when it starts and how long it lasts, in seconds."""

    pixels: Picture
    time: Fraction
    duration: Fraction


@dataclass(frozen=True)
class PictureSequence:
    """The pictures of a folder or of one file, in order; what is known before they are decoded."""

    files: tuple[Path, ...]
    """One file per frame, or the one that holds all."""
    pages: tuple[int, ...]
    """Which picture of its file each frame is."""
    size: tuple[int, int]
    """Width and height as shown."""
    durations: tuple[Fraction, ...]
    """Seconds of each frame."""
    timed: bool
    """Whether the file tells them."""

    def __len__(self) -> int:
        return len(self.pages)

    @property
    def times(self) -> tuple[Fraction, ...]:
        """When each frame starts."""
        return tuple(accumulate(self.durations[:-1], initial=Fraction(0)))

    @cached_property
    def _greatest(self) -> float | None:
        """What tells white in pictures of 32 bits: for all of them, as one by one they would flicker."""
        found: list[float] = []
        for file in self.files:
            with opened_picture(file) as image:
                if (greatest := greatest_of(image)) is None:
                    return None
            found.append(greatest)
        return max(found)

    def frames(self, wanted: Sequence[int] | None = None, *, background: int = 255) -> Iterator[TimedPicture]:
        """All frames, or those of the numbers wanted, in that order."""
        times, numbers = self.times, range(len(self)) if wanted is None else wanted
        if len(self.files) == 1:
            with opened_picture(self.files[0]) as image:
                for index in numbers:
                    image.seek(self.pages[index])
                    pixels = pixels_of(image, background=background)
                    yield TimedPicture(pixels, times[index], self.durations[index])
            return
        for index in numbers:
            with opened_picture(self.files[index]) as image:
                pixels = pixels_of(image, background=background, greatest=self._greatest)
            yield TimedPicture(pixels, times[index], self.durations[index])


def sequence_of(path: Path) -> PictureSequence:
    """The pictures of a folder, or of a file; files are opened and their sizes compared, nothing is decoded.

    Raises `InputError` when there is none, one cannot be read, or they differ in size.
    """
    files = pictures_of(path)
    size: tuple[int, int] | None = None
    for file in files:
        with opened_picture(file) as image:
            found = size_shown(image)
            check_size(file, *found)
            size = size or found
            if found != size:
                raise InputError(
                    f"{file}: {found[0]} x {found[1]} pixels, the first has {size[0]} x {size[1]}",
                    hint="scale all pictures to one size",
                )
            pages = _pages(image)
            if len(pages) > 1 and len(files) > 1:
                raise InputError(
                    f"{file}: {len(pages)} frames in one of {len(files)} pictures",
                    hint="give the animation alone, or one file for each frame",
                )
            if len(files) == 1:
                assert size is not None
                told = [_duration(image, page) for page in pages] if len(pages) > 1 else [None]
                timed = any(one is not None for one in told)
                usual = Fraction(_UNTOLD, 1000) if timed else 1 / FOLDER_FPS
                return PictureSequence(
                    (file,), tuple(pages), size, tuple(one or usual for one in told), timed
                )
    assert size is not None
    return PictureSequence(tuple(files), (0,) * len(files), size, (1 / FOLDER_FPS,) * len(files), False)


def _pages(image: Image.Image) -> list[int]:
    """The numbers of a file's pictures that are frames: of the size of the first, without an APNG's cover."""
    count = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
    first = 1 if count > 1 and getattr(image, "default_image", False) else 0
    if image.format != "TIFF" or count == 1:
        return list(range(first, count))
    sizes: list[tuple[int, int]] = []
    for page in range(count):
        image.seek(page)
        sizes.append(image.size)
    image.seek(0)
    return [page for page, size in enumerate(sizes) if size == sizes[0]]


def _duration(image: Image.Image, page: int) -> Fraction | None:
    """Seconds of a frame; None where the file does not tell it."""
    image.seek(page)
    image.load()
    told = image.info.get("duration")
    return Fraction(round(told * 1000), 1_000_000) if told else None


def is_pictures(path: Path) -> bool:
    """Whether this is a picture or a folder, and not a video file."""
    return path.is_dir() or path.suffix.lower() in PICTURES


def pictures_of(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers, or the one picture; hidden ones are left out.

    Raises `InputError` when there is none."""
    check_file(folder)
    if folder.is_file():
        return [folder]
    found = sorted(
        (p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")),
        key=counted,
    )
    if not found:
        raise InputError(
            f"{folder}: found no picture", hint=f"give a folder of {', '.join(s[1:] for s in PICTURES)} files"
        )
    return found


def counted(path: Path) -> list[tuple[int, str]]:
    """A key that sorts 10.png behind 9.png: digits by their value, the rest as text."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", path.name)]
