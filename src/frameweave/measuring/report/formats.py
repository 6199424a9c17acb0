"""Tables as Markdown, LaTeX, CSV and HTML, with one formatter of numbers."""

import html
import re
from collections.abc import Callable
from dataclasses import replace

from frameweave.measuring.report.table import Entry, Table
from frameweave.runs.spreadsheet import Cell, comma_separated

DASH = "–"


def number(entry: Entry) -> str:
    """The figure with its interval, or a dash; a small p-value is told from zero.

    >>> number(Entry(value=-0.01234, digits=3, interval=(-0.02, 0.01), signed=True))
    '-0.012 [-0.020, +0.010]'
    >>> number(Entry(value=1e-9, digits=4))
    '<0.0001'
    """
    if entry.value is None:
        return DASH
    least = 10.0**-entry.digits
    if entry.interval is None and not entry.signed and 0 < entry.value < least / 2:
        return f"<{least:.{entry.digits}f}"
    return f"{format(entry.value, _form(entry))} {_interval(entry)}".rstrip()


def _interval(entry: Entry) -> str:
    if entry.interval is None:
        return ""
    low, high = (format(value, _form(entry)) for value in entry.interval)
    return f"[{low}, {high}]"


def _form(entry: Entry) -> str:
    return f"{'+' if entry.signed else ''}.{entry.digits}f"


def footnotes(table: Table) -> list[str]:
    """The table's notes, and what its dashes mean."""
    reasons = dict.fromkeys(entry.reason for _, row in table.rows for entry in row if entry.value is None)
    return [*table.notes, *([f"{DASH}: {'; '.join(reasons)}."] if reasons else [])]


def markdown(table: Table) -> str:
    """A GitHub table with its title and footnotes."""

    def line(cells: list[str]) -> str:
        escaped = [
            " ".join(cell.split()).replace("|", "\\|") for cell in cells
        ]  # a name may hold a line's end
        return f"| {' | '.join(escaped)} |"

    lines = [
        f"**{table.title}**",
        "",
        line([*table.stubs, *table.columns]),
        line(["---"] * len(table.stubs) + ["---:"] * len(table.columns)),
    ]
    for words, row in table.rows:
        lines.append(line([*words, *(_marked(entry, "**{}**".format) for entry in row)]))
    return "\n".join([*lines, "", *footnotes(table)]) + "\n"


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
    "–": "--", "<": "$<$", "†": r"$^\dagger$", "✓": r"$\checkmark$", "✗": r"$\times$", "“": "``", "”": "''",
}  # fmt: skip


def latex(table: Table) -> str:
    """A booktabs table; it needs the packages booktabs and amssymb."""

    def tex(text: str) -> str:
        return "".join(_TEX.get(letter, letter) for letter in text)

    lines = [
        r"\begin{table}",
        rf"\caption{{{tex(table.title)}. {tex(' '.join(footnotes(table)))}}}",
        rf"\begin{{tabular}}{{{'l' * len(table.stubs)}{'r' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(map(tex, [*table.stubs, *table.columns])) + r" \\",
        r"\midrule",
    ]
    for words, row in table.rows:
        cells = [re.sub(r"-(?=\d)", "$-$", tex(_marked(entry, "{}".format))) for entry in row]
        bold = [rf"\textbf{{{cell}}}" if entry.bold else cell for cell, entry in zip(cells, row, strict=True)]
        lines.append(" & ".join([*map(tex, words), *bold]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def spreadsheet(table: Table) -> str:
    """Every figure in full, its interval and its reason in columns of their own."""
    parts = ("", " low", " high", " reason")
    head = [*table.stubs, *(f"{column}{part}" for column in table.columns for part in parts)]
    rows: list[list[Cell]] = []
    for words, row in table.rows:
        cells: list[Cell] = [*words]
        for entry in row:
            cells += [entry.value, *(entry.interval or (None, None)), entry.reason]
        rows.append(cells)
    return comma_separated(head, rows)


def web(table: Table) -> str:
    """An HTML table; figures carry their full value for sorting."""
    heads = [*(f"<th scope=col>{html.escape(stub)}</th>" for stub in table.stubs)]
    heads += [f'<th scope=col class="figure">{html.escape(column)}</th>' for column in table.columns]
    lines = [
        f'<table class="sortable"><caption>{html.escape(table.title)}</caption>',
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>",
    ]
    for words, row in table.rows:
        cells = [f"<th scope=row>{html.escape(word)}</th>" for word in words]
        for entry in row:
            value = "" if entry.value is None else f' data-value="{entry.value!r}"'
            reason = f' title="{html.escape(entry.reason)}"' if entry.reason else ""
            text = html.escape(f"{number(replace(entry, interval=None))} {entry.note}".rstrip())
            below = f" <small>{_interval(entry)}</small>" if entry.interval else ""
            text = f"<b>{text}</b>" if entry.bold else text
            cells.append(f'<td class="figure"{value}{reason}>{text}{below}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in footnotes(table))
    return "\n".join([*lines, "</tbody></table>", f'<div class="notes">{notes}</div>']) + "\n"


FORMATS: dict[str, Callable[[Table], str]] = {
    "md": markdown,
    "tex": latex,
    "csv": spreadsheet,
    "html": web,
}
"""Of each file suffix."""


def _marked(entry: Entry, bold: Callable[[str], str]) -> str:
    text = number(entry)
    return (bold(text) if entry.bold else text) + (f" {entry.note}" if entry.note else "")
