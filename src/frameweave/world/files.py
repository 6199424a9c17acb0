"""Clips of the world as files: to train on, to edit, and to compare edits with what is right."""

import csv
from collections.abc import Iterator
from pathlib import Path

from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import staged, write_text
from frameweave.video.clip import Clip
from frameweave.world.clips import FPS, write_with_sound
from frameweave.world.grammar import captions, phrase
from frameweave.world.options import WorldOptions
from frameweave.world.render import render_clip
from frameweave.world.scene import ATTRIBUTES, Scenes, edits_in_turn, sample_scenes
from frameweave.world.strangers import STRANGER_EDITS, stranger_scenes

_PARAPHRASES = 4
TRUE_EDITS = "true-edits"
EDITS_TABLE = "edits.csv"
_COLUMNS = ("name", "video", "prompt", "source_prompt", "truth")


def write_world(options: WorldOptions, *, progress: Progress = SILENT) -> Iterator[dict[str, object]]:
    """Write each clip as an mp4 with its captions beside it, a line each; gives files and plain captions.

    With edits there are the true ones in a folder of their own, and a table of all.
    """
    scenes, rows, folder = _scenes(options), list[tuple[str, ...]](), options.out
    among = STRANGER_EDITS if options.strangers else ATTRIBUTES
    for index in range(options.clips):
        scene, name = scenes[index], f"{index:03d}.mp4"
        words, path = scene.words(0), folder / name
        _write(scene, path, options.frames)
        texts = [phrase(words)] + [captions(scene, (options.seed, index, k))[0] for k in range(_PARAPHRASES)]
        write_text(path.with_suffix(".txt"), "".join(f"{text}\n" for text in texts))
        if options.edits:
            edits = edits_in_turn(words, index, among=among)
            _write(scene.edited(**edits), folder / TRUE_EDITS / name, options.frames)
            truth = f"{TRUE_EDITS}/{name}"
            rows.append((path.stem, name, phrase(words | edits), phrase(words), truth))
        yield {"clip": path, "caption": phrase(words)}
    if options.edits:
        with staged(folder / EDITS_TABLE) as stage, stage.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([_COLUMNS, *rows])


def _scenes(options: WorldOptions) -> Scenes:
    """At home validation and test both show combinations that no training sees."""
    if options.strangers:
        return stranger_scenes(options.clips, seed=options.seed, split=options.split)
    split = "train" if options.split == "train" else "held-out"
    return sample_scenes(options.clips, seed=options.seed, split=split)


def _write(scene: Scenes, path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_with_sound(Clip.of(render_clip(scene, frames).frames, fps=FPS), path)
