"""The clip of the form, and its frames, as files that the page shows."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from frameweave.app.desk import Desk
from frameweave.app.page.addresses import UPLOADS
from frameweave.video.sequences import is_pictures

_KEPT = {"cache-control": "private, max-age=3600"}  # a name belongs to one content


def files_router(desk: Desk) -> APIRouter:
    """Only what lies in the folder of uploads is found by its name; anything else is no upload."""
    router = APIRouter(prefix=UPLOADS, include_in_schema=False)

    @router.get("/{name}")
    def video(name: str) -> FileResponse:
        return _file(desk.shown.playable(desk.uploads.known(name).path))

    @router.get("/{name}/frame")
    def frame(name: str, at: Annotated[float, Query(ge=0, le=1e6)] = 0.0) -> FileResponse:
        return _file(desk.shown.frame(desk.uploads.known(name).path, at))

    @router.get("/{name}/picture")
    def picture(name: str) -> FileResponse:
        path = desk.uploads.known(name).path
        if not is_pictures(path):
            raise HTTPException(404, "There is no such picture.")
        return _file(path)

    return router


def _file(path: Path) -> FileResponse:
    return FileResponse(path, headers=_KEPT)
