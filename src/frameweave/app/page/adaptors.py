"""The adaptors that the form offers."""

from collections.abc import Sequence
from pathlib import Path

from frameweave.adaptor.options import AUTO
from frameweave.adaptor.packaged import PACKAGED
from frameweave.app.job import JobView
from frameweave.app.page.fields import OWN


def adaptor_choices(trained: Sequence[Path]) -> list[tuple[str, str]]:
    """Titles and values: no adaptor, the packaged ones, and those of trainings."""
    named = [(f"trained: {folder.parent.name}", str(folder)) for folder in trained]
    packaged = [("auto: where one is known to help", AUTO), *((name, name) for name in PACKAGED)]
    return [("none", OWN), *packaged, *named]


def trained_by(history: Sequence[JobView]) -> list[Path]:
    """The adaptors' folders of the trainings among these jobs, in their order."""
    return [one.results[0] for one in history if one.kind == "train" and one.results]
