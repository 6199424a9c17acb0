"""The report of an experiment as one HTML file: tables, figures, and a player for every edit.

Nothing is fetched: pictures and programs are inside. A page shows frames out of one picture a clip, drawn
on canvases from one clock, so clips side by side can never drift apart.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, select_autoescape
from markupsafe import Markup

from frameweave.atomic import staged
from frameweave.errors import InputError
from frameweave.report.figures import Drawn
from frameweave.report.formats import web
from frameweave.report.frames import Sprite, frames_of, sprite
from frameweave.report.results import REFERENCE, WITHOUT, MetricInfo, Results
from frameweave.report.tables import Table
from frameweave.stats.paired import paired

_MOST = 20 * 2**20
"""Bytes of pictures in a page; beyond that only the most telling clips are shown."""
_FEW = 4  # best, and as many worst and middle clips, of each editor


@dataclass(frozen=True, eq=False, kw_only=True)
class Page:
    """What the page shows besides the clips."""

    title: str
    tables: Sequence[Table]
    figures: Sequence[tuple[str, Drawn]]
    """Captions and figures."""


def write_grid_page(results: Results, page: Page, metric: MetricInfo, target: Path) -> Path:
    """Write the page; clips are ordered by how much the adaptors change `metric`."""
    clips, note = _clips(results, metric)
    template = Environment(autoescape=select_autoescape(default=True)).from_string(
        (files("frameweave.report") / "templates" / "grid.html").read_text(encoding="utf-8")
    )
    script = (files("frameweave.report") / "templates" / "player.js").read_text(encoding="utf-8")
    given = results.run.get("input", {})
    html = template.render(
        title=page.title,
        test_set=given.get("test_set", ""),
        stand_ins=results.stand_ins,
        tables=[(table.title, Markup(web(table))) for table in page.tables],
        figures=[(caption, _url(drawn.png, "image/png")) for caption, drawn in page.figures],
        metrics=results.metrics,
        note=note,
        data=Markup(_json({"clips": clips, "metric": metric.title, "fps": 8})),
        script=Markup(script),
        settings=results.run.get("settings", {}),
        environment=results.run.get("environment", {}),
    )
    with staged(target) as stage:
        stage.write_text(html, encoding="utf-8")
    return target


def _clips(results: Results, metric: MetricInfo) -> tuple[list[dict[str, Any]], str]:
    """A player entry for each editor and pair, those with the largest gain first; and what was left out."""
    pairs = {pair["pair"]: pair for pair in results.pairs}
    entries = sorted(_entries(results, metric), key=lambda entry: -entry["gain"])
    if sum(_bytes(results, entry, pairs) for entry in entries) * 4 // 3 > _MOST:
        kept = _telling(entries)
        note = (
            f"{len(kept)} of {len(entries)} edits are in this page: of each editor those with the largest "
            "gains and losses, and the middle ones."
        )
    else:
        kept, note = entries, ""
    drawn: dict[str, dict[str, Any] | None] = {}
    clips: list[dict[str, Any]] = []
    for entry in kept:
        pair = pairs[entry["pair"]]
        videos = {"source": pair.get("source"), **entry["videos"], "true edit": pair.get("truth")}
        panels = [
            {"title": title, "sprite": picture}
            for title, video in videos.items()
            if video and (picture := _sprite(results.folder / video, drawn)) is not None
        ]
        clips.append(
            {key: entry[key] for key in ("editor", "pair", "gain")}
            | {"prompt": pair["prompt"], "source_prompt": pair["source_prompt"], "panels": panels}
        )
    return clips, note


def _entries(results: Results, metric: MetricInfo) -> Iterator[dict[str, Any]]:
    videos: dict[tuple[str, str], dict[str, str]] = {}
    for cell in results.cells:
        if cell.get("video") and cell["seed"] == 0 and cell["editor"] != REFERENCE:
            videos.setdefault((cell["editor"], cell["pair"]), {})[cell["arm"]] = cell["video"]
    values: dict[tuple[str, str, str], float] = {
        (line["editor"], line["pair"], line["arm"]): line["value"]
        for line in results.scores
        if line["metric"] == metric.name and line["seed"] == 0 and line["value"] is not None
    }
    sign = -1 if metric.better == "lower" else 1
    for (editor, pair), found in videos.items():
        before = values.get((editor, pair, WITHOUT))
        changes = [
            sign * (values[editor, pair, arm] - before)
            for arm in found
            if arm != WITHOUT and before is not None and (editor, pair, arm) in values
        ]
        yield {"editor": editor, "pair": pair, "videos": found, "gain": max(changes, default=0.0)}


def _telling(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each editor the best, the worst and the middle ones; entries come with the best first."""
    kept: list[dict[str, Any]] = []
    for editor in dict.fromkeys(entry["editor"] for entry in entries):
        own = [entry for entry in entries if entry["editor"] == editor]
        middle = max(0, len(own) // 2 - _FEW // 2)
        numbers = {*range(_FEW), *range(middle, middle + _FEW), *range(len(own) - _FEW, len(own))}
        kept += [own[number] for number in sorted(numbers) if 0 <= number < len(own)]
    return kept


def _bytes(results: Results, entry: dict[str, Any], pairs: dict[str, dict[str, Any]]) -> int:
    """About what an entry adds to a page: its videos' size on the disk."""
    pair = pairs[entry["pair"]]
    named = [*entry["videos"].values(), pair.get("source"), pair.get("truth")]
    paths = [results.folder / path for path in named if path]
    return sum(path.stat().st_size for path in paths if path.is_file())


def _sprite(video: Path, drawn: dict[str, dict[str, Any] | None]) -> dict[str, Any] | None:
    """A clip for the player, made once; None when it cannot be read any more."""
    key = str(video)
    if key not in drawn:
        try:
            drawn[key] = _packed(sprite(frames_of(video)))
        except InputError:
            drawn[key] = None
    return drawn[key]


def _packed(made: Sprite) -> dict[str, Any]:
    return {
        "url": _url(made.content, "image/webp"),
        "frames": made.frames,
        "columns": made.columns,
        "width": made.width,
        "height": made.height,
    }


def gains(results: Results, metric: MetricInfo, arm: str) -> str:
    """One line about an arm: on how many clips of each editor it is better."""
    words: list[str] = []
    for editor in results.editors:
        found = paired(
            results.values(editor, arm, metric.name),
            results.values(editor, WITHOUT, metric.name),
            lower_is_better=metric.better == "lower",
        )
        if found is not None:
            words.append(f"{editor} {found.wins} of {found.n}")
    return f"{metric.title.split(' [')[0]}, better with “{arm}”: {', '.join(words)}"


def _url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _json(value: Any) -> str:
    """JSON that can stand inside a script element."""
    return json.dumps(value).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
