"""frameweave evaluate."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.errors import RunError
from frameweave.measuring.options import EvaluateOptions


def evaluate(
    edited: Path, /, *, options: Annotated[EvaluateOptions, Parameter(name="*")] = EvaluateOptions()
) -> None:
    """Measure edited videos, whoever made them.

    On the Miniature's own networks, or with `--backbones real` on published ones.

    Example: `frameweave evaluate edited.mp4 --source clip.mp4 --prompt "a red car"`.

    Parameters
    ----------
    edited
        A video, a folder of videos, or a csv or jsonl file with the column edited, and perhaps name, source,
        prompt, source_prompt, truth and mask.
    """
    from frameweave.measuring.evaluate import evaluate as job  # noqa: PLC0415 - torch must not slow --help

    done = job(edited, options, progress=console.progress())
    console.result(**{title: round(value, 4) for title, value in done.means.items()})
    console.result(not_measured=done.reasons, folder=str(done.folder), videos=done.videos)
    if done.failed:
        name, reason = next(iter(done.failed.items()))
        raise RunError(
            f"{len(done.failed)} videos could not be measured, the first, {name}: {reason}",
            hint="the others are measured; mend this one and run again with --overwrite",
        )
