"""What the API for programs says and takes."""

from typing import Annotated

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from frameweave.app.job import JobView, Kind, State
from frameweave.editing.options import EditOptions
from frameweave.runs.records import JsonObject

_SETTINGS: JsonDict = {
    "contentMediaType": "application/json",
    "contentSchema": {
        **EditOptions.model_json_schema(),
        "title": "Settings of an edit, as `frameweave edit` has them",
    },
}


class ApiRecord(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class LoopStatus(ApiRecord):
    """The loop that a job is in."""

    what: str
    """In words, such as sampling."""
    done: int
    total: int | None
    """None where it is not known beforehand."""
    seconds_left: float | None


class JobStatus(ApiRecord):
    """A job, with addresses below this server where there is something to fetch."""

    id: str
    kind: Kind
    state: State
    version: int
    """Higher after each change."""
    before: int
    """Jobs that are done before this one, while it waits."""
    loop: LoopStatus | None
    figures: dict[str, float]
    """The latest named numbers, such as losses."""
    notes: tuple[str, ...]
    message: str
    """Why it failed."""
    hint: str
    """What to do about that."""
    seconds: float
    """How long it has worked."""
    when: float
    """When it was asked for, in seconds since 1970."""
    video: str
    """The file's name."""
    prompts: tuple[str, ...]
    settings: JsonObject
    """All settings of the edit or training."""
    command: tuple[str, ...]
    """The words of the command line that does the same."""
    results: tuple[str, ...]
    """Addresses of the videos; none of a training."""
    names: tuple[str, ...]
    """The videos' file names, which say in a comparison which editor and arm made them."""
    preview: str | None
    """Address of a PNG of the frames as they look by now."""

    @classmethod
    def of(cls, view: JobView, place: str) -> "JobStatus":
        """`place` is the address of the job."""
        loop, asked = view.loop, view.asked
        return cls(
            id=view.id,
            kind=view.kind,
            state=view.state,
            version=view.version,
            before=view.before,
            loop=None
            if loop is None
            else LoopStatus(what=loop.what, done=loop.done, total=loop.total, seconds_left=loop.seconds_left),
            figures=dict(view.figures),
            notes=view.notes,
            message=view.message,
            hint=view.hint,
            seconds=round(view.seconds, 2),
            when=view.when,
            video=asked.video.name,
            prompts=asked.prompts,
            settings=asked.options.table(),
            command=tuple(asked.words),
            results=tuple(f"{place}/results/{number}" for number in range(len(view.videos))),
            names=tuple(video.name for video in view.videos),
            preview=f"{place}/preview" if view.preview is not None else None,
        )


class EditForm(ApiRecord):
    """What an edit is asked for with. Settings go into `settings`, and not beside it."""

    model_config = ConfigDict(extra="forbid")

    video: UploadFile
    """The video, or a picture."""
    prompts: list[str]
    """What the video shall show; each gives a result of its own."""
    settings: Annotated[str, Field(json_schema_extra=_SETTINGS)] = "{}"
    """A JSON object of settings."""
    mask: UploadFile | None = None
    """A PNG picture, white where to edit."""
    anchors: list[UploadFile] = []
    """Frames that were edited in another program, for the editor anchored."""
    anchor_frames: list[Annotated[int, Field(ge=0)]] = []
    """Which frames they are, one number for each; the first frame of the video is 0."""


class Submitted(ApiRecord):
    """A job that was put into the queue."""

    id: str
    status: str
    """The address of its status."""


class Editor(ApiRecord):
    """An editor."""

    name: str
    what: str
    """What it does, in a sentence."""
    samplers: tuple[str, ...]
    """The usual one first."""
    settings: JsonObject
    """The JSON schema of its own settings, which `set` takes as name=value."""


class Problem(ApiRecord):
    """Why something was refused."""

    error: str
    hint: str
    """What to do about it."""


Seconds = Annotated[float, Field(ge=0, le=25)]
