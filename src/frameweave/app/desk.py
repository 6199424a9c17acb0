"""The desk: one worker, a queue of jobs, and the history of a folder of runs. It knows no web page.

A job belongs to the desk and not to a browser's tab: it goes on when the tab is closed, and its run folder
keeps it over restarts. All methods may be called by any thread and answer at once.
"""

import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Any

from frameweave.app.history import History
from frameweave.app.job import Asked, JobView, NoSuchJob
from frameweave.app.options import AppOptions
from frameweave.app.pictures import Shown
from frameweave.app.telling import told
from frameweave.app.uploads import Uploads
from frameweave.editing.options import EditOptions
from frameweave.errors import FrameweaveError, InputError, RunError
from frameweave.progress import Cancelled
from frameweave.runs.lock import locked
from frameweave.runs.run import Run, note_end
from frameweave.runs.run_file import RUN_FILE, WAITING, RunRecord, read_run
from frameweave.training.personal_options import PersonalOptions

_OWN = ".app"
_PATIENCE = 60.0
"""Seconds that closing waits for the end of a step."""


@dataclass(eq=False)
class _Job:
    """A job of this desk: how it looks, and how it is stopped."""

    view: JobView
    folder: Path
    anew: bool
    """Whether its run has not begun yet, so that nothing goes on."""
    stopping: Event = field(default_factory=Event)
    began: float = 0.0
    """By the monotonic clock."""


class Desk:
    """Takes jobs and does them one by one. Close it, or use it in a `with` block.

    Only one desk at a time has a folder of runs: another one raises `RunError`.
    """

    uploads: Uploads
    """Where uploaded files are kept."""
    shown: Shown
    """What browsers are shown of videos."""

    def __init__(self, options: AppOptions) -> None:
        self._runs = options.runs.absolute()
        (self._runs / _OWN).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = ExitStack()
        try:
            self._held.enter_context(locked(self._runs / _OWN))
        except RunError as error:
            raise RunError(
                f"{self._runs}: another app has this folder ({error.args[0].partition(': ')[2]})",
                hint="use that one, end it, or give another --runs",
            ) from error
        self._history = History(self._runs)
        self.uploads = Uploads(self._runs / "uploads", options.upload_limit * 10**6)
        self.uploads.remove_others(self._history.texts())
        self.shown = Shown(self._runs / _OWN / "shown")
        self._changed = Condition()
        self._version = 1
        self._jobs: dict[str, _Job] = {}
        self._queue: deque[str] = deque()
        self._current: str | None = None
        self._closing = False
        self._worker = Thread(target=self._work, name="desk", daemon=True)
        self._worker.start()

    def submit(self, video: Path, prompts: Sequence[str], options: EditOptions) -> str:
        """Put an edit, or with `options.compare` a comparison, at the end of the queue; returns its id.

        `options.out` is chosen here. Raises `InputError` for what can be found out without a model.
        """
        return self._begun(Asked(video.absolute(), tuple(prompts), options))

    def train(self, clip: Path, options: PersonalOptions) -> str:
        """Put the training of a personal adaptor at the end of the queue; returns its id.

        Raises what `submit` raises.
        """
        return self._begun(Asked(clip.absolute(), (), options))

    def stop(self, job: str) -> None:
        """Take a job from the queue, or end it within a step; one that is over stays as it is.

        Raises `InputError` for one that another program works at.
        """
        with self._changed:
            found = self._jobs.get(job)
            if found is None:
                if self.view(job).state == "running":
                    raise InputError(f"{job}: another program works at it", hint="stop it there")
                return
            found.stopping.set()
            if job in self._queue:
                self._queue.remove(job)
                note_end(found.folder, Cancelled())
                self._tell(found, state="cancelled")

    def go_on(self, job: str) -> None:
        """Put an unfinished, failed or cancelled job at the end of the queue, to go on where it was.

        Raises `InputError` for any other.
        """
        with self._changed:
            view = self.view(job)
            if not view.goes_on:
                raise InputError(f"{job}: it is {view.state}, so it cannot go on", hint="ask for a new edit")
            folder = self._runs / job
            begun = bool(read_run(folder).environment)  # noted when a run starts
            anew = replace(view, message="", hint="", notes=(), results=(), seconds=0.0)
            self._enqueue(_Job(anew, folder, not begun))

    def view(self, job: str) -> JobView:
        """A job as it is now. Raises `NoSuchJob` for an id that is none."""
        with self._changed:
            if (found := self._jobs.get(job)) is not None:
                return self._seen(found)
            past = self._history.of(job) if _is_name(job) else None
            if past is None:
                raise NoSuchJob(job)
            return past

    @property
    def current(self) -> str | None:
        """The id of the job that runs, if one does."""
        return self._current

    @property
    def version(self) -> int:
        """Grows with each change of any job."""
        return self._version

    def listen(self, version: int, seconds: float) -> int:
        """Wait until the version is higher than `version`, but no longer than `seconds`; returns it."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > version or self._closing, seconds)
            return self._version

    def look(self) -> str:
        """Another text after each change of any job, and soon after one of another program's run."""
        with self._changed:
            return f"{self._version} {self._history.look()}"

    @property
    def closing(self) -> bool:
        """Whether nobody shall wait any longer."""
        return self._closing

    def history(self) -> tuple[JobView, ...]:
        """All jobs and earlier runs of the folder, the latest first, also those of the command line."""
        with self._changed:
            own = [self._seen(job) for job in self._jobs.values()]
            past = [view for view in self._history.all() if view.id not in self._jobs]
        return tuple(sorted([*own, *past], key=lambda view: view.when, reverse=True))

    def settings_of(self, job: str) -> Asked:
        """What a job was asked for, to be loaded back into a form."""
        return self.view(job).asked

    def close(self) -> None:
        """End the running job, which can go on later, and let the folder go."""
        with self._changed:
            self._closing = True
            if self._current is not None:
                self._jobs[self._current].stopping.set()
            self._changed.notify_all()
        self._worker.join(_PATIENCE)
        self._held.close()

    def __enter__(self) -> "Desk":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begun(self, asked: Asked) -> str:
        """Write the run file of a job that waits, and put it into the queue."""
        from frameweave.app.work import place_of

        folder = place_of(asked, self._runs).new()
        given = {"video": str(asked.video), "prompts": list(asked.prompts)}
        options = asked.options
        command = "edit"
        if isinstance(options, PersonalOptions):
            command, given = "train", {"stages": list(options.stages)}
            options = options.replaced(data=str(asked.video))
        asked = replace(asked, options=options.replaced(out=folder))
        record = RunRecord.of(command, asked.options, given).updated(state=WAITING)
        Run(folder, record).write()
        view = JobView(id=folder.name, version=0, state="waiting", asked=asked, when=time.time())
        self._enqueue(_Job(view, folder, anew=True))
        return folder.name

    def _enqueue(self, job: _Job) -> None:
        with self._changed:
            self._jobs[job.view.id] = job
            self._queue.append(job.view.id)
            self._tell(job, state="waiting", when=time.time())

    def _seen(self, job: _Job) -> JobView:
        view = job.view
        if view.state == "waiting":
            before = self._queue.index(view.id) + (self._current is not None)
            return replace(view, before=before)
        if view.state == "running":
            return replace(view, seconds=time.monotonic() - job.began)
        return view

    def _tell(self, job: _Job, **changes: Any) -> None:
        with self._changed:
            self._version += 1
            job.view = replace(job.view, version=self._version, **changes)
            self._changed.notify_all()

    def _work(self) -> None:
        """What the worker does until the desk is closed."""
        from frameweave.app.work import Work

        do = Work().do
        while (job := self._next()) is not None:
            self._worked(job, do)

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if self._closing:
                return None
            self._current = self._queue.popleft()
            job = self._jobs[self._current]
            job.began = time.monotonic()
            self._tell(job, state="running", loop=None)
            return job

    def _worked(self, job: _Job, do: Callable[..., None]) -> None:
        """Do a job; whatever comes of it, the next one follows."""
        view, changes = job.view, dict[str, Any](state="done")
        try:
            do(view.asked, job.folder, partial(self._tell, job), job.stopping, anew=job.anew)
        except Cancelled as error:
            if self._closing:
                changes = {"state": "unfinished"}
                _let_go_on(job.folder)
            else:
                changes = {"state": "cancelled"}
                note_end(job.folder, error)
        except Exception as error:  # whatever it is, the other jobs are done
            message, hint = told(error)
            changes = {"state": "failed", "message": message, "hint": hint}
            note_end(job.folder, error)
            if not isinstance(error, FrameweaveError | OSError):
                with suppress(FrameweaveError, OSError):
                    Run(job.folder, read_run(job.folder)).log(fault=traceback.format_exc())
        else:
            past = self._history.of(view.id)
            changes["results"] = () if past is None else past.results
        with self._changed:
            self._current = None
            self._tell(job, seconds=time.monotonic() - job.began, loop=None, preview=None, **changes)


def _let_go_on(folder: Path) -> None:
    """The program ends, and nobody has cancelled the run."""
    with suppress(FrameweaveError, OSError):
        read_run(folder).working.write(folder / RUN_FILE)


def _is_name(text: str) -> bool:
    """Whether this can be a folder's name, and no way to another one."""
    return text not in ("", ".", "..") and not {"/", "\\", "\0"} & set(text) and not text.startswith(".")
