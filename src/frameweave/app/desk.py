"""The desk: one worker, a queue of jobs, and the history of a folder of runs. It knows no web page.

A job belongs to the desk and not to a browser's tab: it goes on when the tab is closed, and a run folder
keeps it over restarts. All methods may be called by any thread and answer at once.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from frameweave.app.job import Asked, JobView
from frameweave.app.options import AppOptions
from frameweave.app.pictures import Shown
from frameweave.app.uploads import Uploads
from frameweave.editing.options import EditOptions
from frameweave.training.personal_options import PersonalOptions


class Desk:
    """Takes jobs and does them one by one. Close it, or use it in a `with` block.

    Only one desk at a time has a folder of runs: another one raises `RunError`.
    """

    uploads: Uploads
    """Where uploaded files are kept."""
    shown: Shown
    """What browsers are shown of videos."""

    def __init__(self, options: AppOptions) -> None: ...

    def submit(self, video: Path, prompts: Sequence[str], options: EditOptions) -> str:
        """Put an edit, or with `options.compare` a comparison, at the end of the queue; returns its id.

        `options.out` is chosen here. Raises `InputError` for what can be found out without a model.
        """
        ...

    def train(self, clip: Path, options: PersonalOptions) -> str:
        """Put the training of a personal adaptor at the end of the queue; returns its id."""
        ...

    def stop(self, job: str) -> None:
        """Take a job from the queue, or end it within a step; one that is over stays as it is."""
        ...

    def go_on(self, job: str) -> None:
        """Put an unfinished, failed or cancelled job at the end of the queue, to go on where it was."""
        ...

    def view(self, job: str) -> JobView:
        """A job as it is now. Raises `InputError` for an id that is none."""
        ...

    @property
    def current(self) -> str | None:
        """The id of the job that runs, if one does."""
        ...

    @property
    def version(self) -> int:
        """Grows with each change of any job."""
        ...

    def listen(self, version: int, seconds: float) -> int:
        """Wait until the version is higher than `version`, but no longer than `seconds`; returns it."""
        ...

    def history(self) -> tuple[JobView, ...]:
        """All jobs and earlier runs of the folder, the latest first, also those of the command line."""
        ...

    def settings_of(self, job: str) -> Asked:
        """What a job was asked for, to be loaded back into a form."""
        ...

    def close(self) -> None:
        """End the running job, which can go on later, and let the folder go."""
        ...

    def __enter__(self) -> "Desk":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
