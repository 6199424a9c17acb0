"""The API for programs: edits are asked for, followed, stopped and fetched by HTTP."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Literal, cast, get_origin
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from frameweave.app.api_records import EditForm, Editor, JobStatus, Problem, Seconds, Submitted
from frameweave.app.desk import Desk
from frameweave.app.options import CHOSEN
from frameweave.editing.listed import listed
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError
from frameweave.runs.records import JsonObject

_LOOK = 0.1  # seconds between looks for whoever waits for a job
_PROBLEMS = {404: {"model": Problem}, 422: {"model": Problem}}


def api_router(desk: Desk, device: str) -> APIRouter:
    """All addresses of the API, below /api/v1. Edits that name no device run on that one."""
    router = APIRouter(prefix="/api/v1", responses=cast("dict[int | str, JsonObject]", _PROBLEMS))

    @router.post("/edits", status_code=202, dependencies=[Depends(_each_once)])
    def submit(form: Annotated[EditForm, Form(media_type="multipart/form-data")]) -> Submitted:
        """Put an edit at the end of the queue."""
        options = _options(form.settings, device)
        if form.mask is not None:
            if options.mask is not None:
                raise InputError("two masks", hint="upload one, or name one in the settings")
            options = options.replaced(mask=desk.uploads.keep_mask(form.mask.file.read()))
        options = options.replaced(anchor=(*options.anchor, *_anchors(form, desk)))
        upload = desk.uploads.keep(form.video.file, form.video.filename or "video.mp4")
        job = desk.submit(upload.path, form.prompts, options)
        return Submitted(id=job, status=_place(job))

    @router.get("/jobs")
    def history(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> tuple[JobStatus, ...]:
        """All jobs and earlier runs, the latest first."""
        return tuple(JobStatus.of(view, _place(view.id)) for view in desk.history()[:limit])

    @router.get("/jobs/{job}")
    async def status(job: str, after: int = -1, wait: Seconds = 0.0) -> JobStatus:
        """How a job stands. With `wait`, the answer comes when the job has a version higher than `after`, or
        after so many seconds."""
        until = time.monotonic() + wait
        while True:  # whoever waits holds no thread meanwhile
            view, left = await run_in_threadpool(desk.view, job), until - time.monotonic()
            if view.version > after or left <= 0 or desk.closing:
                return JobStatus.of(view, _place(job))
            await asyncio.sleep(min(_LOOK, left))

    @router.post("/jobs/{job}/cancel")
    def cancel(job: str) -> JobStatus:
        """Take a job from the queue, or end it within a step. What it has made is kept."""
        desk.view(job)
        desk.stop(job)
        return JobStatus.of(desk.view(job), _place(job))

    @router.post("/jobs/{job}/go-on", status_code=202)
    def go_on(job: str) -> JobStatus:
        """Put an unfinished, failed or cancelled job into the queue again; it goes on where it was."""
        desk.go_on(job)
        return JobStatus.of(desk.view(job), _place(job))

    @router.get("/jobs/{job}/results/{number}", response_class=FileResponse)
    def result(job: str, number: int, form: Literal["file", "player"] = "file") -> FileResponse:
        """A finished video. `player` gives a copy that browsers play, where they do not play the file."""
        videos = desk.view(job).videos
        if not 0 <= number < len(videos):
            raise HTTPException(404, "There is no such result.")
        video = videos[number]
        if form == "player":
            return _file(desk.shown.playable(video))
        return _file(video, f"{job}-{video.name}" if len(videos) > 1 else f"{job}{video.suffix}")

    @router.get("/jobs/{job}/source", response_class=FileResponse)
    def source(job: str) -> FileResponse:
        """The video that was edited, as browsers play it."""
        return _file(desk.shown.playable(_there(desk.view(job).asked.video)))

    @router.get("/jobs/{job}/poster", response_class=FileResponse)
    def poster(job: str) -> FileResponse:
        """A small picture of the result, or of the source before there is one."""
        view = desk.view(job)
        return _file(desk.shown.poster(_there(next(iter(view.videos), view.asked.video))))

    @router.get("/jobs/{job}/preview", response_class=Response)
    def preview(job: str) -> Response:
        """A PNG of the first, middle and last frame as they look by now."""
        picture = desk.view(job).preview
        if picture is None:
            raise HTTPException(404, "There is no preview now.")
        return Response(picture, media_type="image/png", headers={"cache-control": "no-store"})

    @router.get("/editors")
    def editors() -> tuple[Editor, ...]:
        """The editors and their settings."""
        return tuple(
            Editor(name=one.editor, what=one.what, samplers=one.samplers, settings=one.settings)
            for one in listed()
        )

    return router


async def _each_once(request: Request) -> None:
    """Raise `InputError` for a field that holds one thing and is given twice: only the last would count."""
    names = [name for name, _ in (await request.form()).multi_items()]
    for name, field in EditForm.model_fields.items():
        if names.count(name) > 1 and get_origin(field.annotation) is not list:
            raise InputError(f"{name} is given {names.count(name)} times", hint="give it once")


def _unlike(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    """A JSON object. Raises `InputError` for a name that stands in it twice."""
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"the settings have {twice[0]} twice", hint="give it once")
    return dict(pairs)


def _options(settings: str, device: str) -> EditOptions:
    try:
        found = json.loads(settings, object_pairs_hook=_unlike)
    except (ValueError, RecursionError) as error:
        raise InputError("the settings are no JSON", hint='write an object, such as {"steps": 25}') from error
    if not isinstance(found, dict):
        raise InputError("the settings are no JSON object", hint='write one, such as {"steps": 25}')
    table = cast(JsonObject, found)
    if chosen := sorted(table.keys() & set(CHOSEN)):
        raise InputError(f"{chosen[0]}: the app chooses it", hint="leave it out")
    return EditOptions.of_table({"device": device} | table)


def _anchors(form: EditForm, desk: Desk) -> tuple[str, ...]:
    if len(form.anchors) != len(form.anchor_frames):
        raise InputError(
            f"{len(form.anchors)} anchors and {len(form.anchor_frames)} anchor_frames",
            hint="say of each edited frame which one it is",
        )
    kept = [desk.uploads.keep(one.file, one.filename or "frame.png").path for one in form.anchors]
    return tuple(f"{number}={path}" for number, path in zip(form.anchor_frames, kept, strict=True))


def _place(job: str) -> str:
    return f"/api/v1/jobs/{quote(job)}"


def _there(video: Path) -> Path:
    if not video.is_file():
        raise HTTPException(404, "The video is no longer there.")
    return video


def _file(path: Path, name: str | None = None) -> FileResponse:
    return FileResponse(path, filename=name, headers={"cache-control": "private, no-cache"})
