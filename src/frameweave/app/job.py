"""What a job was asked for, and what people are shown of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from frameweave.editing.options import EditOptions
from frameweave.errors import InputError
from frameweave.runs.again.words import as_python, as_words
from frameweave.training.personal_options import PersonalOptions

Kind = Literal["edit", "compare", "train"]
State = Literal["waiting", "running", "done", "failed", "cancelled", "unfinished"]
"""`unfinished` is a job that ended with the program; like one that failed or was cancelled, it can go on."""

GOES_ON: tuple[State, ...] = ("failed", "cancelled", "unfinished")
"""States from which a job can go on."""
_API = "frameweave.api"


class NoSuchJob(InputError):
    """There is no job of that id."""

    def __init__(self, job: str) -> None:
        super().__init__(f"{job!r}: no such job", hint="the list of jobs has all ids")


@dataclass(frozen=True)
class Asked:
    """What a job does: a video, prompts and settings, as the command line would give them."""

    video: Path
    prompts: tuple[str, ...]
    """Of a training none."""
    options: EditOptions | PersonalOptions

    @property
    def kind(self) -> Kind:
        if isinstance(self.options, PersonalOptions):
            return "train"
        return "compare" if self.options.compare else "edit"

    @property
    def words(self) -> list[str]:
        """The words of the command line that asks for the same."""
        said = self._said
        if isinstance(said, PersonalOptions):
            fixed = ("data", "stages", "every_frame")
            return as_words("train personal", [str(self.video)], said, without=fixed)
        return as_words("edit", [str(self.video), *self.prompts], said)

    @property
    def python(self) -> str:
        """A script that does the same."""
        said = self._said
        if isinstance(said, PersonalOptions):
            return as_python("frameweave.training.train:train", [said.stages], said)
        work = "compare" if said.compare else "edit"
        prompts = self.prompts[0] if said.compare else list(self.prompts)
        return as_python(f"{_API}:{work}", [self.video, prompts], said, kind_from=_API)

    @property
    def _said(self) -> EditOptions | PersonalOptions:
        """Without the run folder, which the job alone has."""
        said = self.options.replaced(out=type(self.options).model_fields["out"].default)
        return said.replaced(data=str(self.video)) if isinstance(said, PersonalOptions) else said


@dataclass(frozen=True)
class Loop:
    """The loop that a job is in, such as sampling."""

    what: str
    done: int
    total: int | None
    """None where it is not known beforehand."""
    seconds_left: float | None
    """None before the first step."""


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job at one moment. A later version of the same job has a higher `version`."""

    id: str
    """The name of its run folder."""
    version: int
    state: State
    asked: Asked
    when: float
    """The time at which it was asked for, in seconds since 1970."""
    before: int = 0
    """How many jobs are done before a waiting one."""
    loop: Loop | None = None
    """Where a running one is; None while it loads."""
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    """The latest named numbers, such as losses of a training."""
    notes: tuple[str, ...] = ()
    """What was said about it, in words."""
    message: str = ""
    """Why it failed."""
    hint: str = ""
    """What to do about that."""
    preview: bytes | None = None
    """A PNG of the first, middle and last frame as they look by now; None before the first step."""
    results: tuple[Path, ...] = ()
    """Of an edit its videos, one for each prompt; of a comparison all panels in one video, then each; of a
    training the folder of the adaptor, which `--adaptor` takes."""
    seconds: float = 0.0
    """How long it has worked; a waiting one 0."""

    @property
    def kind(self) -> Kind:
        return self.asked.kind

    @property
    def elsewhere(self) -> bool:
        """Whether another program works at it, such as the command line."""
        return self.state == "running" and self.version == 0

    @property
    def goes_on(self) -> bool:
        """Whether `Desk.go_on` can be asked for it."""
        return self.state in GOES_ON

    @property
    def videos(self) -> tuple[Path, ...]:
        """Those of the results that are videos."""
        return () if self.kind == "train" else self.results
