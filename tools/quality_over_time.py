"""What fewer sampling steps cost and save: a table and a picture of several grids of one clip set.

`python tools/quality_over_time.py runs/steps/8 runs/steps/12 runs/steps/25 --out docs/experiments/steps.png`
"""

import argparse
from pathlib import Path
from statistics import mean

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from frameweave.measuring.records import REFERENCE, WITHOUT
from frameweave.measuring.report.figures import STYLE
from frameweave.measuring.report.reading import read_results
from frameweave.measuring.report.results import Results
from frameweave.measuring.stats.paired import matched, paired

MEASURES = ("lpips_truth", "psnr_truth", "clip_score", "follows_all", "warp_error")
DRAWN = ("lpips_truth", "clip_score", "warp_error")
SHOWN = {"lpips_truth": 2, "psnr_truth": 1, "clip_score": 1, "follows_all": 2, "warp_error": 4}
"""Digits after the point."""


def value(results: Results, editor: str, arm: str, metric: str) -> float:
    """The mean over the clips."""
    return mean(results.values(editor, arm, metric).values())


def seconds(results: Results, editor: str) -> float:
    """Of one clip's edit, with its inversion."""
    found = [line.seconds for line in results.cells if line.editor == editor and line.seconds is not None]
    return mean(found)


def difference(results: Results, most: Results, editor: str, metric: str) -> str:
    """Clip by clip to the grid of most steps, with its 95 % interval; bold where that excludes zero."""
    both = matched(*(one.draws(editor, WITHOUT, metric) for one in (results, most)))
    found, digits = paired(*both, lower_is_better=False), SHOWN[metric]  # no wins are counted
    if found is None or found.interval is None:
        return "–"
    low, high = found.interval.low, found.interval.high
    text = f"{found.mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def table(grids: dict[int, Results]) -> str:
    """The means with most steps, and the differences to them with fewer."""
    most = grids[max(grids)]
    titles = {info.name: f"{info.short} {info.arrow}" for info in most.metrics}
    lines = ["| editor | steps | time | " + " | ".join(titles[name] for name in MEASURES) + " |"]
    lines.append("|---" * (3 + len(MEASURES)) + "|")
    for editor in most.editors:
        for steps in sorted(grids, reverse=True):
            results = grids[steps]
            if results is most:
                cells = [f"*{value(most, editor, WITHOUT, name):.{SHOWN[name]}f}*" for name in MEASURES]
            else:
                cells = [difference(results, most, editor, name) for name in MEASURES]
            time = seconds(results, editor) / seconds(most, editor)
            first = f"`{editor}`" if results is most else ""
            lines.append(f"| {first} | {steps} | {time:.2f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(grids: dict[int, Results], target: Path) -> None:
    """Each editor a line from few steps to many, over the seconds that a clip takes."""
    most = grids[max(grids)]
    infos = {info.name: info for info in most.metrics}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 3.6), layout="constrained")
        panels = figure.subplots(1, len(DRAWN))
        for panel, name in zip(panels, DRAWN, strict=True):
            for number, editor in enumerate(most.editors):
                order = sorted(grids)
                x = [seconds(grids[steps], editor) for steps in order]
                y = [value(grids[steps], editor, WITHOUT, name) for steps in order]
                marker = "os^Dv<>P*X"[number % 10]
                panel.plot(x, y, marker=marker, markersize=4, linewidth=1.2, label=editor)
            best = value(most, REFERENCE, "true edit", name)
            panel.axhline(best, color="black", linewidth=0.7, ls=":", label="true edit")
            panel.set_title(f"{infos[name].short} {infos[name].arrow}", fontsize=9)
            panel.set_xlabel("seconds a clip")
            panel.set_xscale("log")
            panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.xaxis.set_major_formatter("{x:g}")
            panel.xaxis.set_minor_locator(NullLocator())
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
        figure.savefig(target, dpi=130, metadata={"Software": None})


def main() -> None:
    """Print the table, draw the picture."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("grids", nargs="+", type=Path)
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    found = [read_results(folder) for folder in given.grids]
    grids = {int(str(one.run.settings["steps"])): one for one in found}
    print(table(grids))
    picture(grids, given.out)


if __name__ == "__main__":
    main()
