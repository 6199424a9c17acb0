"""Draws the README's pictures: frames of a clip, and below them edits of it.

`python tools/edits_picture.py docs/edits.png` shows two edits by `delta`. `python tools/edits_picture.py
docs/adaptor.png --strange` shows a clip of what the Miniature never saw, edited without and with the adaptor
for such clips by two editors, and the true edit. Each takes about a minute.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.adaptor.packaged import STRANGERS
from frameweave.api import Clip, edit_clip, load_editor, load_model
from frameweave.cli.console import progress
from frameweave.editors.base import Editor
from frameweave.models.seam import Model
from frameweave.runs.atomic import staged
from frameweave.world.clips import HeldOutClip, held_out_clips, stranger_clip
from frameweave.world.grammar import phrase

CHANGES = ({"colour": "red"}, {"style": "cartoon"})
STRANGE_CHANGE = {"style": "cartoon"}
STRANGE_EDITORS = ("delta", "framewise")
FRAMES, SHOWN, GAP, LINE = 16, 6, 8, 34
"""Frames that are edited and that are shown; pixels between frames, and of a line of text."""
Rows = Iterator[tuple[str, Clip]]
"""Clips with what they show."""


def edits() -> Rows:
    """A clip that the model knows, and edits of it."""
    shown, model = held_out_clips()[0], load_model("miniature")
    yield f"a clip: {shown.caption}", Clip.read(shown.path, frames=FRAMES)
    for change in CHANGES:
        # colours and styles need no more noise than that: shapes are kept
        yield (
            f"“{phrase(shown.words | change)}”",
            _edited(load_editor("delta")(start_sigma=2.5), shown, change, model),
        )


def strange_edits() -> Rows:
    """A clip that it does not know, without and with the adaptor."""
    shown, model, adaptor = stranger_clip(), load_model("miniature"), load_adaptor(STRANGERS)
    yield f"a clip: {shown.caption}", Clip.read(shown.path, frames=FRAMES)
    prompt = phrase(shown.words | STRANGE_CHANGE)
    for name in STRANGE_EDITORS:
        editor = load_editor(name)()
        yield f"“{prompt}”, {name}", _edited(editor, shown, STRANGE_CHANGE, model)
        with adaptor.on(model, adaptor.use(name)) as adapted:
            yield f"{name} with the adaptor", _edited(editor, shown, STRANGE_CHANGE, adapted)
    yield "the true edit", shown.rendered(FRAMES, **STRANGE_CHANGE)


def _edited(editor: Editor, shown: HeldOutClip, change: dict[str, str], model: Model) -> Clip:
    return edit_clip(
        editor,
        Clip.read(shown.path, frames=FRAMES),
        phrase(shown.words | change),
        model,
        source_prompt=shown.caption,
        rng=torch.Generator().manual_seed(0),
        progress=progress(),
    )


def drawn(clips: list[tuple[str, Clip]], side: int) -> Image.Image:
    """A row for each clip, its name above it; frames have `side` pixels."""
    rows, width = len(clips), SHOWN * (side + GAP) - GAP
    sheet = Image.new("RGB", (width, rows * (side + LINE) + (rows - 1) * GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for row, (name, clip) in enumerate(clips):
        top = row * (side + LINE + GAP)
        draw.text((2, top + 4), name, fill="#222", font=font)
        pictures = list(clip.pixels())
        for place in range(SHOWN):
            number = round(place * (len(pictures) - 1) / (SHOWN - 1))
            picture = Image.fromarray(pictures[number]).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(picture, (place * (side + GAP), top + LINE))
    return sheet


def main() -> None:
    """Edit and draw."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("out", type=Path, help="the picture")
    asked.add_argument("--strange", action="store_true", help="show what the adaptor does")
    given = asked.parse_args()
    rows, side = (strange_edits(), 136) if given.strange else (edits(), 176)
    with staged(given.out) as stage:
        drawn(list(rows), side).save(stage, optimize=True)


if __name__ == "__main__":
    main()
