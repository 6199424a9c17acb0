"""Draws the README's picture: frames of a clip, and below them what `delta` makes of them.

`python tools/edits_picture.py docs/edits.png` edits a bundled clip twice, which takes about a minute.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from frameweave.api import Clip, edit_clip, load_editor, load_model
from frameweave.cli.console import progress
from frameweave.runs.atomic import staged
from frameweave.world.clips import held_out_clips
from frameweave.world.grammar import phrase

CLIP, CHANGES = 0, ({"colour": "red"}, {"style": "cartoon"})
"""The number of the bundled clip, and what the edits change in it."""
FRAMES, SHOWN, SIDE, GAP, LINE = 16, 6, 176, 8, 34
"""Frames that are edited and that are shown; pixels of a frame, between frames, and of a line of text."""


def edits() -> list[tuple[str, Clip]]:
    """The clip and its edits, with what they show."""
    held_out, model = held_out_clips()[CLIP], load_model("miniature")
    source = Clip.read(held_out.path, frames=FRAMES)
    made = [(f"a clip: {held_out.caption}", source)]
    for change in CHANGES:
        prompt = phrase(held_out.words | change)
        edited = edit_clip(
            load_editor("delta")(start_sigma=2.5),
            source,
            prompt,
            model,
            source_prompt=held_out.caption,
            rng=torch.Generator().manual_seed(0),
            progress=progress(),
        )
        made.append((f"“{prompt}”", edited))
    return made


def drawn(clips: list[tuple[str, Clip]]) -> Image.Image:
    """A row for each clip, its name above it."""
    rows, width = len(clips), SHOWN * (SIDE + GAP) - GAP
    sheet = Image.new("RGB", (width, rows * (SIDE + LINE) + (rows - 1) * GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for row, (name, clip) in enumerate(clips):
        top = row * (SIDE + LINE + GAP)
        draw.text((2, top + 4), name, fill="#222", font=font)
        pictures = list(clip.pixels())
        for place in range(SHOWN):
            number = round(place * (len(pictures) - 1) / (SHOWN - 1))
            picture = Image.fromarray(pictures[number]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(picture, (place * (SIDE + GAP), top + LINE))
    return sheet


def main() -> None:
    """Edit and draw."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("out", type=Path, help="the picture")
    with staged(asked.parse_args().out) as stage:
        drawn(edits()).save(stage, optimize=True)


if __name__ == "__main__":
    main()
