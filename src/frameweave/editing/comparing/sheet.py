"""Videos of one size side by side with their names, as one video that players take and memory holds."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import staged
from frameweave.video import Picture, VideoWriter, read_frames

_GAP = 4
_ZOOM = 3
"""Small pictures are enlarged so many times at most."""


@dataclass(frozen=True)
class Layout:
    """Where panels and their names stand on a sheet."""

    columns: int
    rows: int
    panel: tuple[int, int]
    """Width and height, as they are shown."""

    @classmethod
    def of(cls, count: int, *, columns: int, size: tuple[int, int], most: tuple[int, int]) -> "Layout":
        """For pictures of a size, enlarged or made smaller so that the sheet has `most` width and height."""
        rows = -(-count // columns)
        width, height = most[0] // columns - _GAP, most[1] // rows - _GAP
        scale = min(_ZOOM, width / size[0], height / (size[1] + size[0] / 8))
        return cls(columns, rows, (max(2, round(size[0] * scale)), max(2, round(size[1] * scale))))

    @property
    def label(self) -> int:
        """Height of a name: it grows with the panels."""
        return max(14, self.panel[0] // 12)

    @property
    def size(self) -> tuple[int, int]:
        """Of the sheet, in even numbers, as players want it."""
        width, height = self.columns * (self.panel[0] + _GAP), self.rows * (self.panel[1] + self.label + _GAP)
        return width + width % 2, height + height % 2

    def drawn(self, names: Sequence[str], pictures: Sequence[Image.Image]) -> Image.Image:
        """The sheet of these pictures."""
        sheet = Image.new("RGB", self.size, "white")
        draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(self.label * 0.75)
        for place, (name, picture) in enumerate(zip(names, pictures, strict=True)):
            x = place % self.columns * (self.panel[0] + _GAP) + _GAP // 2
            y = place // self.columns * (self.panel[1] + self.label + _GAP)
            draw.text((x, y), name, fill="black", font=font)
            sheet.paste(picture.resize(self.panel, Image.Resampling.BICUBIC), (x, y + self.label))
        return sheet


def write_sheet(
    panels: Sequence[tuple[str, Path]],
    target: Path,
    layout: Layout,
    *,
    times: Sequence[Fraction],
    progress: Progress = SILENT,
) -> None:
    """Write named videos, read one frame at a time, as one video.

    `times` says when each frame begins, and last when the sheet ends; a video of fewer frames stays at
    its last.
    """
    rate = ((len(times) - 1) / (times[-1] - times[0])).limit_denominator(90_000)
    names = [name for name, _ in panels]
    with ExitStack() as stack:
        writer = stack.enter_context(VideoWriter(target, size=layout.size, fps=rate))
        streams = [_pixels(path) for _, path in panels]
        spans = list(pairwise(times))
        for start, end in progress.track(spans, f"writing {target.name}"):
            pictures = [Image.fromarray(next(stream)) for stream in streams]
            sheet = np.asarray(layout.drawn(names, pictures))
            writer.write(sheet, start, end - start)


def write_picture(panels: Sequence[tuple[str, Path]], target: Path, layout: Layout) -> None:
    """Write named pictures as one."""
    pictures: list[Image.Image] = []
    for _, path in panels:
        with Image.open(path) as opened:
            pictures.append(opened.convert("RGB"))
    with staged(target) as stage:
        layout.drawn([name for name, _ in panels], pictures).save(stage)


def _pixels(path: Path) -> Iterator[Picture]:
    last: Picture | None = None
    for picture in read_frames(path):
        last = picture.pixels
        yield last
    while last is not None:
        yield last
