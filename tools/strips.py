"""Draws every editor's strips and x-t slices on the bundled clips, for the documentation.

`python tools/strips.py docs/explanation/strips` writes a picture for each clip with all editors, and one for
each editor with all clips. The edits are cells of a grid in runs/strips: the same command goes on where it
was stopped, and makes only what is missing.
"""

import argparse
import json
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from frameweave.cli.console import progress
from frameweave.editors import registry
from frameweave.measuring.experiments.cells import read_frames
from frameweave.measuring.grid import grid
from frameweave.measuring.options import GridOptions
from frameweave.measuring.records import WITHOUT
from frameweave.measuring.report.figures import strips
from frameweave.measuring.report.reading import read_results
from frameweave.runs.atomic import staged
from frameweave.video.filmstrips import Pixels, frames_of
from frameweave.world.clips import held_out_clips
from frameweave.world.grammar import phrase

EDITS = ({"colour": "red"}, {"background": "grass"}, {"style": "cartoon"})
"""What is asked of each bundled clip."""


def written_table(folder: Path, frames: int) -> Path:
    """The bundled clips with a prompt and the true edit each, as the grid reads them."""
    lines: list[dict[str, str]] = []
    folder.mkdir(parents=True, exist_ok=True)
    for clip, edit in zip(held_out_clips(), EDITS, strict=True):
        truth = folder / f"{clip.path.stem}-truth.mkv"
        clip.rendered(frames, **edit).write(truth)
        lines.append(
            {
                "name": clip.path.stem,
                "video": str(clip.path),
                "prompt": phrase(clip.words | edit),
                "source_prompt": clip.caption,
                "truth": str(truth.absolute()),
            }
        )
    table = folder / "clips.jsonl"
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return table


def main() -> None:
    """Edit, then draw."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("out", type=Path, help="where the pictures go")
    asked.add_argument("--editors", nargs="+", default=registry.names())
    asked.add_argument("--frames", type=int, default=12)
    asked.add_argument("--steps", type=int, default=25)
    asked.add_argument("--workers", type=int, default=1)
    asked.add_argument("--runs", type=Path, default=Path("runs/strips"))
    given = asked.parse_args()
    options = GridOptions(
        editors=tuple(given.editors), frames=given.frames, steps=given.steps, workers=given.workers,
        arms=(), backbones="miniature", out=given.runs / "grid",
    )  # fmt: skip
    grid(written_table(given.runs, given.frames), options, progress=progress())
    results = read_results(options.out)
    for pair in results.pairs:
        clips = {"source": frames_of(options.out / str(pair.source))}
        clips |= {editor: of_cell(options.out, results.videos, editor, pair.pair) for editor in given.editors}
        clips["true edit"] = frames_of(options.out / str(pair.truth))
        save(given.out / f"{pair.pair}.png", clips, pair.prompt)
    for editor in given.editors:
        clips = {}
        for pair in results.pairs:
            clips[f"{pair.pair}"] = frames_of(options.out / str(pair.source))
            clips[pair.prompt] = of_cell(options.out, results.videos, editor, pair.pair)
        save(given.out / f"{editor}.png", clips, editor)


def of_cell(run: Path, videos: dict[tuple[str, str], dict[str, str]], editor: str, pair: str) -> Pixels:
    """The frames of an edit, as they were before a codec."""
    frames = read_frames((run / videos[editor, pair][WITHOUT]).parent)
    return (frames * 255).round().byte().permute(0, 2, 3, 1).numpy().astype(np.uint8)


def save(target: Path, clips: dict[str, Pixels], title: str) -> None:
    """As PNG of 256 colours, a quarter of the size."""
    drawn = Image.open(BytesIO(strips(clips, title).png)).convert("RGB")
    with staged(target) as stage:
        drawn.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(stage, optimize=True)


if __name__ == "__main__":
    main()
