"""Figures of an experiment as PNG and SVG, the same bytes for the same results."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from frameweave.report.frames import Pixels, heat, xt_slice
from frameweave.report.results import WITHOUT, MetricInfo, Results
from frameweave.stats.paired import Paired, paired

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "frameweave",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_BETTER, _WORSE, _OPEN = "#1b7f4d", "#b3372f", "#666666"
_DPI = 150


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure in both formats."""

    png: bytes
    svg: bytes


def forest(results: Results, metrics: Sequence[MetricInfo]) -> Drawn:
    """Paired differences of every arm to none, with 95 % intervals; green is surely better, red worse."""
    rows = [(editor, arm) for editor in results.editors for arm in results.arms(editor) if arm != WITHOUT]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(2.6 * len(metrics) + 1.6, 0.42 * len(rows) + 1.3), layout="constrained")
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for panel, info in zip(panels, metrics, strict=True):
            for place, (editor, arm) in enumerate(rows):
                found = paired(
                    results.values(editor, arm, info.name),
                    results.values(editor, WITHOUT, info.name),
                    lower_is_better=info.better == "lower",
                )
                if found is not None:
                    _whisker(panel, place, found, lower_is_better=info.better == "lower")
            panel.axvline(0, color="black", linewidth=0.8)
            panel.set_title(f"{_short(info)} {info.arrow}", fontsize=9)
            panel.locator_params(axis="x", nbins=4)
        names = {arm for _, arm in rows}
        labels = [editor if len(names) == 1 else f"{editor}, {arm}" for editor, arm in rows]
        panels[0].set_yticks(range(len(rows)), labels)
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        return _drawn(figure)


def _whisker(panel: Axes, place: int, found: Paired, *, lower_is_better: bool) -> None:
    colour = _OPEN
    if found.interval is not None:
        low, high = found.interval.low, found.interval.high
        if low > 0 or high < 0:
            colour = _BETTER if (found.mean < 0) == lower_is_better else _WORSE
        panel.plot([low, high], [place, place], color=colour, linewidth=2)
    panel.plot([found.mean], [place], "o", color=colour, markersize=5)


def scatter(results: Results, info: MetricInfo, arm: str) -> Drawn:
    """Each clip without and with an adaptor, a panel for each editor; on the diagonal nothing changes."""
    editors = [editor for editor in results.editors if arm in results.arms(editor)]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(2.5 * max(1, len(editors)), 2.8), layout="constrained")
        panels = figure.subplots(1, max(1, len(editors)), squeeze=False)[0]
        for panel, editor in zip(panels, editors, strict=False):
            before, after = (results.values(editor, name, info.name) for name in (WITHOUT, arm))
            clips = sorted(before.keys() & after.keys())
            x, y = [before[clip] for clip in clips], [after[clip] for clip in clips]
            better = [(b < a) == (info.better == "lower") for a, b in zip(x, y, strict=True)]
            panel.scatter(x, y, s=12, color=[_BETTER if good else _WORSE for good in better], alpha=0.7)
            low, high = min([*x, *y], default=0), max([*x, *y], default=1)
            panel.plot([low, high], [low, high], color="black", linewidth=0.8)
            panel.set_title(editor)
            panel.set_xlabel("without")
            panel.locator_params(nbins=4)
        panels[0].set_ylabel(f"{arm}\n{_short(info)} {info.arrow}")
        return _drawn(figure)


def strips(clips: Mapping[str, Pixels], title: str, *, count: int = 6) -> Drawn:
    """The same frames of several clips, a row each, with the x-t slice and the heat map of changes behind."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(1.1 * (count + 2) + 0.8, 1.15 * len(clips) + 0.4), layout="constrained")
        panels = figure.subplots(len(clips), count + 2, squeeze=False)
        most = max(float(heat(frames).max()) for frames in clips.values()) or 1.0
        for row, (name, frames) in zip(panels, clips.items(), strict=True):
            for panel, number in zip(row, _even(len(frames), count), strict=False):
                panel.imshow(frames[number], interpolation="nearest")
            row[count].imshow(xt_slice(frames), aspect="auto", interpolation="nearest")
            row[count + 1].imshow(heat(frames), cmap="magma", vmin=0, vmax=most, interpolation="nearest")
            row[0].set_ylabel(name, fontsize=8)
            for panel in row:
                panel.set_xticks([])
                panel.set_yticks([])
                for spine in panel.spines.values():
                    spine.set_visible(False)
        length = min(map(len, clips.values()))
        for panel, number in zip(panels[0], _even(length, count), strict=False):
            panel.set_title(f"frame {number}", fontsize=7)
        panels[0][count].set_title("x-t slice", fontsize=7)
        panels[0][count + 1].set_title("change", fontsize=7)
        figure.suptitle(title, fontsize=9)
        return _drawn(figure)


def _even(length: int, count: int) -> list[int]:
    """Frames evenly spread over a clip, its first and last among them."""
    return [round(number) for number in np.linspace(0, length - 1, count).tolist()]


def sweep(rows: Sequence[dict[str, Any]], info: MetricInfo) -> Drawn:
    """Training windows against inference windows: a figure in each cell."""

    def named(window: Sequence[float]) -> str:
        return f"{window[0]:g}–{window[1]:g}"

    across = sorted({named(row["inference"]) for row in rows})
    down = sorted({named(row["train"]) for row in rows})
    values = np.full((len(down), len(across)), np.nan)
    for row in rows:
        values[down.index(named(row["train"])), across.index(named(row["inference"]))] = row["value"]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(1.3 * len(across) + 1.8, 0.7 * len(down) + 1.3), layout="constrained")
        panel = figure.subplots()
        picture = panel.imshow(values, cmap="viridis" if info.better == "higher" else "viridis_r")
        for (y, x), value in np.ndenumerate(values):
            if np.isfinite(value):
                panel.text(x, y, f"{value:.{info.digits}f}", ha="center", va="center", color="white")
        panel.set_xticks(range(len(across)), across)
        panel.set_yticks(range(len(down)), down)
        panel.set_xlabel("window of the edit, shares of T")
        panel.set_ylabel("window of the training")
        figure.colorbar(picture, label=f"{_short(info)} {info.arrow}")
        return _drawn(figure)


def curves(log: Sequence[dict[str, Any]]) -> Drawn:
    """Losses of a training by step, from the lines of its log.jsonl; held-out ones are dots."""
    names = sorted({name for line in log for name in line if _is_loss(name)})
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6, 3.2), layout="constrained")
        panel = figure.subplots()
        for name in names:
            points = [(line["step"], line[name]) for line in log if name in line and "step" in line]
            panel.plot(
                [step for step, _ in points],
                [value for _, value in points],
                "o" if name.startswith("held_out") else "-",
                markersize=4,
                linewidth=1,
                label=name.replace("_", " "),
            )
        panel.set_yscale("log")
        panel.set_xlabel("step")
        panel.set_ylabel("loss")
        if names:
            panel.legend(fontsize=7)
        return _drawn(figure)


def _is_loss(name: str) -> bool:
    return name in ("noise", "temporal") or name.startswith(("held_out_noise", "held_out_temporal"))


def _short(info: MetricInfo) -> str:
    return info.title.split(" [")[0]


def _drawn(figure: Figure) -> Drawn:
    files: dict[str, bytes] = {}
    for kind, nothing in (("png", {"Software": None}), ("svg", {"Date": None})):
        target = io.BytesIO()
        figure.savefig(target, format=kind, dpi=_DPI, metadata=nothing)
        files[kind] = target.getvalue()
    return Drawn(**files)
