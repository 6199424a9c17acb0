"""A results folder with known numbers, as the grid writes it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from frameweave.runs.settings import write_toml

METRICS: list[dict[str, Any]] = [
    {
        "name": "warp_error",
        "title": "Warp error",
        "better": "lower",
        "digits": 3,
        "family": "headline",
        "definition": "How much it flickers.",
    },
    {
        "name": "clip_score",
        "title": "CLIP score [miniature-clip]",
        "better": "higher",
        "digits": 1,
        "family": "headline",
        "published": True,
        "backbone": "miniature-clip-123456",
        "definition": "How well it fits.",
    },
    {
        "name": "lpips_source",
        "title": "LPIPS to source",
        "better": "none",
        "digits": 2,
        "family": "other",
        "definition": "How far it is.",
    },
]


def write_results(
    folder: Path,
    values: dict[tuple[str, str, str], list[float | None]],
    *,
    command: str = "grid",
    clips: list[str] | None = None,
    videos: Callable[[Path, int], None] | None = None,
) -> Path:
    """`values` has for each (editor, arm, metric) a value a pair; `clips` says whose pairs they are.

    `videos` writes a video to a path, by a number that tells sources, arms and true edits apart.
    """
    count = max(map(len, values.values()))
    names = clips or [f"clip {number}" for number in range(count)]
    pairs: list[dict[str, Any]] = [
        {"pair": f"{number:03d}", "clip": clip, "source_prompt": "a", "prompt": "b", "about": {}}
        for number, clip in enumerate(names)
    ]
    scores = [
        {"pair": f"{number:03d}", "seed": 0, "editor": editor, "arm": arm, "metric": metric, "value": value}
        | ({} if value is not None else {"reason": "needs a source"})
        for (editor, arm, metric), row in values.items()
        for number, value in enumerate(row)
    ]
    arms = list(dict.fromkeys((editor, arm) for editor, arm, _ in values))
    cells: list[dict[str, Any]] = [
        {
            "pair": pair["pair"],
            "seed": 0,
            "editor": editor,
            "arm": arm,
            "video": None,
            "seconds": 2.0,
            "inversion_recalled": False,
            "memory_gb": 0.5,
        }
        for editor, arm in arms
        for pair in (pairs if videos else pairs[:1])
    ]
    if videos is not None:
        kinds = list(dict.fromkeys(arm for _, arm in arms))
        for number, kind in enumerate(["source", "truth", *kinds]):
            videos(folder / "videos" / f"{kind}.mp4", number)
        for cell in cells:
            cell["video"] = f"videos/{cell['arm']}.mp4"
        for pair in pairs:
            pair |= {"source": "videos/source.mp4", "truth": "videos/truth.mp4"}
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("pairs", pairs), ("scores", scores), ("cells", cells), ("pooled", [])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    write_toml(folder / "run.toml", {"command": command, "settings": {}, "environment": {}})
    return folder
