"""A pair on the disk, for people and reports: its videos, and a line about it."""

from pathlib import Path

from frameweave.errors import DataError
from frameweave.measuring.experiments.pairs import Pair
from frameweave.measuring.records import PairLine
from frameweave.runs.atomic import staged
from frameweave.runs.records import read_json

_FACTS = "pair.json"


def write_pair(run: Path, pair: Pair, made_of: str) -> None:
    """Write the pair into a run folder, unless it is there, made of the same: a digest says so."""
    if described(run, pair.name, made_of) is not None:
        return
    folder = run / "pairs" / pair.name
    videos: dict[str, str | None] = {"source": None, "truth": None}
    with staged(folder) as stage:
        stage.mkdir(parents=True)
        for name, clip in (("source", pair.source), ("truth", pair.truth)):
            if clip is not None:
                clip.write(stage / f"{name}.mp4")
                videos[name] = f"pairs/{pair.name}/{name}.mp4"
        line = PairLine(
            pair=pair.name,
            clip=pair.clip,
            source_prompt=pair.source_prompt,
            prompt=pair.prompt,
            about=pair.about,
            made_of=made_of,
            **videos,
        )
        (stage / _FACTS).write_text(line.as_json(), encoding="utf-8")


def described(run: Path, name: str, made_of: str) -> PairLine | None:
    """The line about a pair, if it is there as a whole, and no older one of that name."""
    file = run / "pairs" / name / _FACTS
    try:
        line = PairLine.from_json(read_json(file), where=f"{file}: ")
    except DataError:
        return None
    return line if line.made_of == made_of else None
