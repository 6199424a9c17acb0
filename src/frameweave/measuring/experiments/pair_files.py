"""A pair on the disk, for people and reports: its videos, and a line about it."""

import json
from pathlib import Path
from typing import Any

from frameweave.measuring.experiments.pairs import Pair
from frameweave.runs.atomic import staged

_FACTS = "pair.json"


def write_pair(run: Path, pair: Pair, made_of: str) -> None:
    """Write the pair into a run folder, unless it is there, made of the same: a digest says so."""
    if is_described(run, pair.name, made_of):
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
            "made_of": made_of,
            **videos,
        }
        (stage / _FACTS).write_text(json.dumps(facts), encoding="utf-8")


def is_described(run: Path, name: str, made_of: str) -> bool:
    """Whether the pair is there as a whole, and no older one of that name."""
    try:
        return read_pair(run, name)["made_of"] == made_of
    except (OSError, ValueError, KeyError):
        return False


def read_pair(run: Path, name: str) -> dict[str, Any]:
    """The line about a pair."""
    return json.loads((run / "pairs" / name / _FACTS).read_text(encoding="utf-8"))
