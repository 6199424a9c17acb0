"""A pair on the disk, for people and reports: its videos, and a line about it."""

import json
from pathlib import Path
from typing import Any

from frameweave.atomic import staged
from frameweave.experiments.pairs import Pair

_FACTS = "pair.json"


def write_pair(run: Path, pair: Pair) -> None:
    """Write the pair into a run folder, unless it is there."""
    if is_described(run, pair.name):
        return
    folder = run / "pairs" / pair.name
    videos: dict[str, str | None] = {"source": None, "truth": None}
    with staged(folder) as stage:
        stage.mkdir(parents=True)
        for name, clip in (("source", pair.source), ("truth", pair.truth)):
            if clip is not None:
                clip.write(stage / f"{name}.mp4")
                videos[name] = f"pairs/{pair.name}/{name}.mp4"
        facts = {
            "pair": pair.name,
            "clip": pair.clip,
            "source_prompt": pair.source_prompt,
            "prompt": pair.prompt,
            "about": pair.about,
            **videos,
        }
        (stage / _FACTS).write_text(json.dumps(facts), encoding="utf-8")


def is_described(run: Path, name: str) -> bool:
    """Whether the pair is there as a whole."""
    return (run / "pairs" / name / _FACTS).is_file()


def read_pair(run: Path, name: str) -> dict[str, Any]:
    """The line about a pair."""
    return json.loads((run / "pairs" / name / _FACTS).read_text(encoding="utf-8"))
