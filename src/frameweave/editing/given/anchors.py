"""Frames that the user has edited in any program: which ones, their pictures, and what is wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from frameweave.editing.footage import Footage
from frameweave.editing.given.mask import check_shape
from frameweave.errors import InputError
from frameweave.video import Picture
from frameweave.video.clip import as_frames, picture_of, resized_frames
from frameweave.video.sequences import PICTURES, sequence_of
from frameweave.video.stills import is_transparent, opened_picture, pixels_of


@dataclass(frozen=True)
class GivenFrame:
    """A picture that stands for a frame of the result."""

    path: Path
    size: tuple[int, int]
    """Width and height of the video."""

    def check(self) -> None:
        """Raise `InputError` unless it is one picture, without transparency, of the video's shape."""
        if self.path.suffix.lower() not in PICTURES and not self.path.is_dir():
            raise InputError(
                f"{self.path}: no picture, expected {', '.join(end[1:] for end in PICTURES)}",
                hint="save the edited frame as a PNG",
            )
        count = 0 if self.path.is_dir() else len(sequence_of(self.path))
        if count != 1:
            found = f"{count} pictures in one file" if count else "a folder"
            raise InputError(
                f"{self.path}: {found}, expected one picture",
                hint="give each edited frame with an --anchor of its own",
            )
        with opened_picture(self.path) as image:
            if is_transparent(image):
                raise InputError(
                    f"{self.path}: transparent in places, expected a whole frame",
                    hint="lay it over the frame of the video, and save it without transparency",
                )
            check_shape(self.path, pixels_of(image), self.size, what="an edited frame")

    def frame(self) -> Float[Tensor, "1 3 H W"]:
        """In [0, 1], of its own size."""
        with opened_picture(self.path) as image:
            return as_frames(np.array(pixels_of(image))[None])

    def pixels(self) -> Picture:
        """At the video's size; where it has that, as it is."""
        return picture_of(resized_frames(self.frame(), self.size)[0])


def asked(texts: Sequence[str]) -> dict[int, Path]:
    """`--anchor NUMBER=FILE` by number. Raises `InputError` for another form and a number given twice."""
    found: dict[int, Path] = {}
    for text in texts:
        number, equals, file = text.partition("=")
        if not equals or not number.strip().isdecimal() or not file.strip():
            raise InputError(
                f"--anchor {text!r}, expected the number of a frame and a picture",
                hint="write NUMBER=FILE, such as 0=first.png; the first frame of the video is 0",
            )
        if int(number) in found:
            raise InputError(
                f"--anchor: frame {int(number)} is given twice", hint="give one picture for each frame"
            )
        found[int(number)] = Path(file)
    return found


def placed_in(folder: Path, texts: Sequence[str]) -> tuple[str, ...]:
    """The same texts, paths in them being relative to a folder. Raises what `asked` raises."""
    return tuple(f"{number}={(folder / file).absolute()}" for number, file in asked(texts).items())


def given_frames(texts: Sequence[str], footage: Footage, edited: int) -> dict[int, GivenFrame]:
    """The pictures by their places among so many frames that are edited.

    They are asked for by the number of a frame of the video, or with a frame rate of its own of the result.
    Raises `InputError` for what cannot be read or used.
    """
    found = asked(texts)
    if not found:
        return {}
    numbers = footage.numbers
    if len(numbers) != edited:
        numbers = [number for number, one in enumerate(footage.pictures()) if footage.edited(one)]
    size = (footage.info.width, footage.info.height)
    given: dict[int, GivenFrame] = {}
    for number, path in found.items():
        if number not in numbers:
            raise InputError(
                f"--anchor: frame {number} is not among those that are edited, {numbers[0]} to {numbers[-1]}",
                hint="count the frames of the video from 0",
            )
        given[numbers.index(number)] = GivenFrame(path, size)
        given[numbers.index(number)].check()
    return given
