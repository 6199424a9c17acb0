"""The paper's Figure 3 with intervals: who is preferred, by editor and criterion."""

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from frameweave.measuring.report.figures import STYLE, Drawn, drawn
from frameweave.study.results.analysis import Analysis, Preference

_SECOND, _FIRST = "#1f5fa8", "#d8dde3"
_ROOM = 20  # percent of a bar into which its figure fits


def preference_figure(found: Analysis) -> Drawn:
    """A bar of both shares for each editor and criterion, with the interval and a line at one half.

    The interval is the clustered one where there is one, else Wilson's.
    """
    asked = list(dict.fromkeys(one.criterion for one in found.preferences))
    rows = list(dict.fromkeys((one.editor, one.systems) for one in found.preferences))
    by_place = {(one.editor, one.systems, one.criterion): one for one in found.preferences}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.5 * len(asked) + 1.6, 0.5 * len(rows) + 1.4), layout="constrained")
        panels = figure.subplots(1, len(asked), sharey=True, squeeze=False)[0]
        for panel, criterion in zip(panels, asked, strict=True):
            for place, (editor, systems) in enumerate(rows):
                one = by_place.get((editor, systems, criterion))
                if one is not None and one.share is not None:
                    panel.barh(place, 100, color=_FIRST, height=0.6)
                    panel.barh(place, 100 * one.share.value, color=_SECOND, height=0.6)
                    low, high = (100 * end for end in interval_of(one))
                    panel.plot([low, high], [place, place], color="black", linewidth=1.4)
                    value = 100 * one.share.value
                    place_of_text, ink = (2, "white") if value >= _ROOM else (value + 2, "black")
                    panel.text(place_of_text, place, f"{value:.0f} %", color=ink, va="center", weight="bold")
            panel.axvline(50, color="black", linewidth=0.8, linestyle=(0, (3, 2)))
            panel.set_xlim(0, 100)
            panel.set_title(criterion, fontsize=9)
            panel.set_xlabel("% of answers")
        names = {systems for _, systems in rows}
        labels = [
            editor if len(names) == 1 else f"{editor}\n{second} over {first}"
            for editor, (first, second) in rows
        ]
        panels[0].set_yticks(range(len(rows)), labels)
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        first, second = rows[0][1]
        if len(names) == 1:
            handles = [
                Patch(color=_SECOND, label=f"prefer {second}"),
                Patch(color=_FIRST, label=f"prefer {first}"),
            ]
            figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
        return drawn(figure)


def interval_of(one: Preference) -> tuple[float, float]:
    """The interval to believe."""
    assert one.share is not None
    return one.clustered or (one.share.low, one.share.high)
