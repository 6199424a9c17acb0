"""How time and memory of each editor grow with frames and with size: a picture and a table of the bench.

`frameweave bench --parts length --parts size --json > growth.jsonl`, with `--lengths` and `--sizes` as you
like, and then `python tools/growth.py growth.jsonl --out docs/growth.png`.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from frameweave.measuring.report.figures import STYLE

_FIGURE = re.compile(r"(\w+), (\d+) (frames|pixels)(?: over \d+ \w+)?: (time per frame|peak memory)(, \w+)?")
Found = dict[str, dict[int, float]]
"""By editor, the figure at each number."""


def read(file: Path) -> dict[tuple[str, str], Found]:
    """Milliseconds and MiB, of time and memory by frames and by pixels; ratios are made whole again."""
    tables: dict[tuple[str, str], Found] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        match = _FIGURE.fullmatch(str(told.get("figure", "")))
        if match is None:
            continue
        editor, number, axis, what, unit = match.groups()
        values = tables.setdefault((what, axis), {}).setdefault(editor, {})
        values[int(number)] = told["value"] if unit else told["value"] * next(iter(values.values()))
    return tables


def picture(tables: Mapping[tuple[str, str], Found], target: Path) -> None:
    """A panel for each table."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 6), layout="constrained")
        panels = figure.subplots(2, 2)
        titles = {"time per frame": "time per frame, ms", "peak memory": "peak memory, MiB"}
        for column, axis in enumerate(("frames", "pixels")):
            for line, (what, title) in enumerate(titles.items()):
                panel, found = panels[line][column], tables[what, axis]
                for number, (editor, values) in enumerate(found.items()):
                    marker = "os^Dv<>P*X"[number % 10]
                    panel.plot(list(values), list(values.values()), marker=marker, markersize=4, label=editor)
                panel.set_title(title, fontsize=9)
                panel.set_xscale("log")
                if (what, axis) == ("time per frame", "pixels"):  # it grows with the square and more
                    panel.set_yscale("log")
                    panel.yaxis.set_minor_locator(NullLocator())
                else:
                    panel.set_ylim(bottom=0)
                numbers = sorted({number for values in found.values() for number in values})
                panel.set_xticks(numbers, [str(number) for number in numbers])
                panel.xaxis.set_minor_locator(NullLocator())
                panel.yaxis.set_major_formatter("{x:g}")
                if line:
                    panel.set_xlabel("frames" if axis == "frames" else "longer side, pixels")
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside right center", frameon=False)
        figure.savefig(target, dpi=130, metadata={"Software": None})


def table(tables: Mapping[tuple[str, str], Found], axis: str) -> str:
    """Both figures at each number."""
    times, peaks = tables["time per frame", axis], tables["peak memory", axis]
    numbers = sorted({number for values in times.values() for number in values})
    lines = [f"| editor | {' | '.join(f'{number} {axis}' for number in numbers)} |"]
    lines.append("|---" * (1 + len(numbers)) + "|")
    for editor, values in times.items():
        cells = [f"{values[n]:.0f} ms, {peaks[editor][n]:.0f} MiB" if n in values else "–" for n in numbers]
        lines.append(f"| {editor} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables, draw the picture."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("rows", type=Path, help="what the bench wrote with --json")
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    tables = read(given.rows)
    print(table(tables, "frames"), table(tables, "pixels"), sep="\n\n")
    picture(tables, given.out)


if __name__ == "__main__":
    main()
