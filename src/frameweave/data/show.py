"""A contact sheet of a prepared data set: frames, depth and captions, as a picture and as a page."""

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from frameweave.data.dataset import read_index
from frameweave.data.options import ShowOptions
from frameweave.data.reading import ShardGroups
from frameweave.data.shards.shard import About
from frameweave.data.sources.usable import usual_split
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import staged, write_text
from frameweave.video.clip import picture_of
from frameweave.video.pages import data_url, rendered
from frameweave.video.stills import png_of

_SIDE, _TEXT = 128, 30  # pixels of a picture, and of the line above a row
_WIDTH = 460  # of the captions' column


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row: pictures as PNG files, and words."""

    title: str
    about: str
    frames: tuple[bytes, ...]
    depth: tuple[bytes, ...]
    captions: tuple[str, ...]


def show(folder: Path, options: ShowOptions, *, progress: Progress = SILENT) -> dict[str, str]:
    """Draw some groups of a data set into `options.out`: sheet.png and sheet.html; returns their paths.

    Raises `DataError` when there is no finished data set.
    """
    groups = ShardGroups(folder, usual_split(options.split))
    samples = [_sample(groups, index) for index in chosen(len(groups), options.groups, options.seed)]
    found = read_index(folder).summary
    lost = ", ".join(f"{count} {reason}" for reason, count in found.skipped.items()) or "none"
    about = (
        f"{found.groups} groups of {found.clips} clips in {found.shards} shards, "
        f"{found.bytes / 2**20:.1f} MB; clips without a group: {lost}"
    )
    options.out.mkdir(parents=True, exist_ok=True)
    picture = options.out / "sheet.png"
    with staged(picture) as stage:
        drawn(samples).save(stage)
    page = options.out / "sheet.html"
    html = rendered(
        __package__ or "",
        "sheet.html",
        title=str(folder),
        about=about,
        samples=samples,
        data=lambda content: data_url(content, ".png"),
    )
    write_text(page, html)
    return {"picture": str(picture), "page": str(page)}


def chosen(count: int, groups: int, seed: int) -> list[int]:
    """Numbers of groups, one at random from each of equal parts.

    >>> len(chosen(100, 4, 0)), chosen(3, 8, 0)
    (4, [0, 1, 2])
    """
    groups = min(count, groups)
    rng = np.random.default_rng(seed)
    edges = [part * count // groups for part in range(groups + 1)] if groups else [0]
    return [int(rng.integers(a, b)) for a, b in pairwise(edges)]


def _sample(groups: ShardGroups, number: int) -> Sample:
    group, about = groups.group(number), groups.about(number)
    frames = [png_of(picture_of(frame)) for frame in group.frames]
    depth = [] if group.depth is None else [png_of(m) for m in (group.depth[:, 0] * 255).byte().numpy()]
    return Sample(
        title=f"{about.clip}, group {about.group}",
        about=_words(about),
        frames=tuple(frames),
        depth=tuple(depth),
        captions=group.captions,
    )


def _words(about: About) -> str:
    width, height = about.source_size
    return ", ".join(
        [
            f"frames {about.frames[0]} to {about.frames[-1]}",
            f"{about.times[0]:.2f} to {about.times[-1]:.2f} s",
            f"source {width} x {height}",
            *filter(None, (about.split, about.category)),
        ]
    )


def drawn(samples: list[Sample]) -> Image.Image:
    """A row for each sample: its frames, its depth, its first captions."""
    font = ImageFont.load_default(12)
    columns = max(len(sample.frames) + len(sample.depth) for sample in samples)
    sheet = Image.new("RGB", (columns * (_SIDE + 4) + _WIDTH, len(samples) * (_SIDE + _TEXT)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, sample in enumerate(samples):
        top = row * (_SIDE + _TEXT)
        draw.text((4, top + 8), f"{sample.title}: {sample.about}", fill="black", font=font)
        for column, content in enumerate((*sample.frames, *sample.depth)):
            with Image.open(io.BytesIO(content)) as image:
                small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
            sheet.paste(small, (column * (_SIDE + 4), top + _TEXT - 4))
        left = columns * (_SIDE + 4) + 8
        for line, caption in enumerate(sample.captions[:8]):
            shown = caption if len(caption) < 70 else f"{caption[:67]}..."
            draw.text((left, top + _TEXT + 16 * line), shown, fill="black", font=font)
    return sheet
