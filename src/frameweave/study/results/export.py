"""The answers as people take them away: with editors, clips and systems in place of ids and sides."""

from collections.abc import Sequence
from dataclasses import asdict

from frameweave.runs.spreadsheet import comma_separated
from frameweave.study.answers import Answer
from frameweave.study.design import Design

Named = dict[str, str | int | float]
"""A row of the table, by the names of its columns."""


def named_answers(design: Design, answers: Sequence[Answer]) -> list[Named]:
    """Each answer with what its pair is, and the system that was preferred."""
    found: list[Named] = []
    for answer in answers:
        pair = design.pair(answer.pair)
        found.append(
            {**asdict(answer), "editor": pair.editor, "clip": pair.clip, "prompt": pair.prompt}
            | {"preferred": "" if answer.prefers is None else pair.systems[answer.prefers]}
        )
    return found


def answers_csv(design: Design, answers: Sequence[Answer]) -> str:
    """The same as a table; empty without answers."""
    named = named_answers(design, answers)
    return comma_separated(list(named[0]), [list(row.values()) for row in named]) if named else ""
