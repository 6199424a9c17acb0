"""Figures of an experiment as PNG and SVG, the same bytes for the same results."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from frameweave.measuring.records import WITHOUT, LossLine, MetricInfo, SweepLine
from frameweave.measuring.report.differences import Baseline
from frameweave.measuring.report.results import Results
from frameweave.measuring.stats.paired import Paired
from frameweave.video.filmstrips import Pixels, heat, xt_slice

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "frameweave",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_BETTER, _WORSE, _OPEN = "#1b7f4d", "#b3372f", "#666666"
_DPI = 150
_NAME = 20  # letters of a clip's name in a line
_LOSSES = sorted(LossLine.model_fields.keys() - {"stage", "step"})


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure in both formats, and its width in pixels at which words have their usual size."""

    png: bytes
    svg: bytes
    width: int


def forest(results: Results, metrics: Sequence[MetricInfo], baseline: Baseline | None = None) -> Drawn:
    """Paired differences of every arm to none, with 95 % intervals; green is surely better, red worse.

    With a baseline, those of every editor and arm to it.
    """
    every = [(editor, arm) for editor in results.editors for arm in results.arms(editor)]
    against = {
        row: (row[0], WITHOUT) if baseline is None else baseline.against(row, results) for row in every
    }
    rows = [row for row in every if row != against[row]]
    with mpl.rc_context(STYLE):
        names = {arm for _, arm in rows}
        labels = [editor if len(names) == 1 else f"{editor}, {arm}" for editor, arm in rows]
        room = 0.075 * max((len(label) for label in labels), default=0)  # inches, for the longest label
        size = 1.7 * len(metrics) + room, 0.42 * len(rows) + 1.3
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for panel, info in zip(panels, metrics, strict=True):
            for place, (editor, arm) in enumerate(rows):
                found = results.compared_rows((editor, arm), against[editor, arm], info)
                if found is not None:
                    _whisker(panel, place, found, lower_is_better=info.better == "lower")
            panel.axvline(0, color="black", linewidth=0.8)
            panel.set_title(f"{info.short} {info.arrow}", fontsize=9)
            panel.locator_params(axis="x", nbins=3)
        panels[0].set_yticks(range(len(rows)), labels)
        panels[0].set_ylim(max(len(rows), 1) - 0.5, -0.5)
        return drawn(figure)


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
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.5 * max(1, len(editors)), 2.8), layout="constrained")
        panels = figure.subplots(1, max(1, len(editors)), squeeze=False)[0]
        for panel, editor in zip(panels, editors, strict=False):
            after, before = results.matched(editor, arm, WITHOUT, info.name)
            x, y = list(before.values()), list(after.values())
            panel.scatter(x, y, s=12, color=list(map(partial(_colour, info), x, y)), alpha=0.7)
            low, high = min([*x, *y], default=0), max([*x, *y], default=1)
            panel.plot([low, high], [low, high], color="black", linewidth=0.8)
            panel.set_title(editor)
            panel.set_xlabel("without")
            panel.locator_params(nbins=4)
        panels[0].set_ylabel(f"{arm}\n{info.short} {info.arrow}")
        return drawn(figure)


def _colour(info: MetricInfo, before: float, after: float) -> str:
    if before == after or info.better == "none":
        return _OPEN
    return _BETTER if (after < before) == (info.better == "lower") else _WORSE


def strips(clips: Mapping[str, Pixels], title: str, *, count: int = 6, line: float = 0.5) -> Drawn:
    """The same frames of several clips, a row each, with the x-t slice and the heat map of changes behind.

    `line` is the height of the slice's pixels: 0 is the top of the frames, 1 the bottom.
    """
    numbers = _even(min(map(len, clips.values())), count)
    most = max(float(heat(frames).max()) for frames in clips.values()) or 1.0
    with mpl.rc_context(STYLE):
        height, width = next(iter(clips.values())).shape[1:3]
        names = {name: "\n".join(wrap(name, _NAME)) for name in clips}
        room = 0.075 * max(len(part) for name in names.values() for part in name.split("\n"))  # inches
        one = 1.1 * width / height  # inches of a frame
        size = one * (len(numbers) + 1) + 1.4 + room, 1.15 * len(clips) + 0.4
        edge = 0.1 / size[0]  # for what names need more than the layout finds
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(rect=(edge, 0, 1 - edge, 1)))
        shares = [len(numbers), 1.1 / one, 1]
        panels = figure.subplots(len(clips), 3, squeeze=False, width_ratios=shares)
        for row, (name, frames) in zip(panels, clips.items(), strict=True):
            places = _row_of(row[0], frames[numbers])
            row[1].imshow(xt_slice(frames, line), aspect="auto", interpolation="nearest")
            row[2].imshow(heat(frames), cmap="magma", vmin=0, vmax=most, interpolation="nearest")
            row[0].set_ylabel(names[name], fontsize=8, rotation="horizontal", ha="right", va="center")
            for panel in row:
                panel.set_xticks([])
                panel.set_yticks([])
                panel.spines[:].set_visible(False)
            if name == next(iter(clips)):
                row[0].set_xticks(places, [f"frame {number}" for number in numbers], fontsize=7)
                row[0].tick_params(top=False, bottom=False, labeltop=True, labelbottom=False)
                row[1].set_title("x-t slice", fontsize=7)
                row[2].set_title("change", fontsize=7)
        figure.suptitle(title, fontsize=9)
        return drawn(figure)


def _row_of(panel: Axes, frames: Pixels) -> list[float]:
    """Draw frames side by side as one picture; returns the middle of each, in its pixels."""
    _, height, width, _ = frames.shape
    gap = max(1, width // 16)
    between = np.full((height, gap, 3), 255, np.uint8)
    parts = [frames[0]]
    for frame in frames[1:]:
        parts += [between, frame]
    panel.imshow(np.concatenate(parts, axis=1), interpolation="nearest")
    return [number * (width + gap) + (width - 1) / 2 for number in range(len(frames))]


def _even(length: int, count: int) -> list[int]:
    """Frames evenly spread over a clip, its first and last among them; all of a short one."""
    return [round(number) for number in np.linspace(0, length - 1, min(count, length)).tolist()]


def sweep(lines: Sequence[SweepLine], info: MetricInfo) -> Drawn:
    """Training windows against inference windows, with the figure in each cell that was measured."""
    down, across = sorted({line.train for line in lines}), sorted({line.inference for line in lines})
    values = np.full((len(down), len(across)), np.nan)
    for line in lines:
        place = down.index(line.train), across.index(line.inference)
        values[place] = np.nan if line.value is None else line.value
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.3 * len(across) + 1.8, 0.7 * len(down) + 1.3), layout="constrained")
        panel = figure.subplots()
        picture = panel.imshow(values, cmap="viridis" if info.better == "higher" else "viridis_r")
        for (y, x), value in np.ndenumerate(values):
            if np.isfinite(value):
                red, green, blue, _ = picture.cmap(picture.norm(value))
                dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
                ink = "white" if dark else "black"
                panel.text(x, y, f"{value:.{info.digits}f}", ha="center", va="center", color=ink)
        panel.set_xticks(range(len(across)), [_window(ends) for ends in across])
        panel.set_yticks(range(len(down)), [_window(ends) for ends in down])
        panel.set_xlabel("window of the edit, shares of T")
        panel.set_ylabel("window of the training")
        figure.colorbar(picture, label=f"{info.short} {info.arrow}".strip())
        return drawn(figure)


def _window(ends: Sequence[float]) -> str:
    return f"{ends[0]:g}–{ends[1]:g}"


def curves(log: Sequence[LossLine]) -> Drawn:
    """Losses of a training by step, a panel for each stage, from the lines of its log.jsonl.

    Losses on held-out clips are dots. Only positive values are drawn, since the scale is logarithmic.
    """
    stages = list(dict.fromkeys(line.stage for line in log))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(4.5, 3.6 * len(stages)), 3.6), layout="constrained")
        panels = figure.subplots(1, max(1, len(stages)), squeeze=False)[0]
        for panel, stage in zip(panels, stages, strict=False):
            own = [line for line in log if line.stage == stage]
            for name in _LOSSES:
                points = [(line.step, value) for line in own if (value := getattr(line, name) or 0) > 0]
                if points:
                    _curve(panel, points, name)
            panel.set_yscale("log")
            panel.set_title(f"stage {stage}", fontsize=9)
            panel.set_xlabel("step")
            panel.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False)
        panels[0].set_ylabel("loss")
        return drawn(figure)


def _curve(panel: Axes, points: Sequence[tuple[float, float]], name: str) -> None:
    """Both terms have a colour; held-out ones are dots, hollow without the adaptor."""
    x, y = [step for step, _ in points], [value for _, value in points]
    colour, label = "#1b5fb4" if "noise" in name else "#c2571a", name.replace("_", " ")
    if name.startswith("held_out"):
        inside = "white" if name.endswith("without") else colour
        panel.plot(
            x, y, label=label, color=colour, marker="o", markersize=5, markerfacecolor=inside, linestyle=""
        )
    else:
        panel.plot(x, y, label=label, color=colour, linewidth=0.8, alpha=0.6)


def drawn(figure: Figure) -> Drawn:
    """A figure's files: the same bytes each time, though the layout differs in the last digits."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        x, y, width, height = (round(side, 5) for side in axes.get_position(original=True).bounds)
        axes.set_position((x, y, width, height))
    files: dict[str, bytes] = {}
    width = round(96 * figure.get_figwidth())
    for kind, nothing in (("png", {"Software": None}), ("svg", {"Date": None})):
        target = io.BytesIO()
        figure.savefig(target, format=kind, dpi=_DPI, metadata=nothing)
        files[kind] = target.getvalue()
    return Drawn(**files, width=width)
