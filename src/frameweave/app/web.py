"""The app's web server without its page: the API, and the guard before everything."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from frameweave import __version__
from frameweave.app.api import api_router
from frameweave.app.api_records import Problem
from frameweave.app.desk import Desk
from frameweave.app.gate import Gate
from frameweave.app.guard import Guard
from frameweave.app.job import NoSuchJob
from frameweave.app.options import AppOptions
from frameweave.app.telling import told
from frameweave.app.uploads import NoSuchUpload
from frameweave.errors import FrameweaveError, InputError, MissingExtra, ModelFolderError, RunError
from frameweave.runs.text import printable

_STATUS = (
    (NoSuchJob, 404),
    (NoSuchUpload, 404),
    (InputError, 422),
    (ModelFolderError, 422),
    (RunError, 409),
    (MissingExtra, 501),
)


def make_app(desk: Desk, options: AppOptions) -> FastAPI:
    """The server of one desk. Raises `InputError` when others could come in without a password."""
    app = FastAPI(
        title="Frameweave",
        summary="Edits of videos by prompts, in a queue.",
        version=__version__,
        docs_url=None,  # its page asks other servers for scripts
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.include_router(api_router(desk, options.device))
    app.add_middleware(Guard, gate=Gate.of(options), largest=options.upload_limit * 10**6)

    @app.exception_handler(FrameweaveError)
    def refused(_request: Request, error: FrameweaveError) -> JSONResponse:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        return _problem(*told(error), status)

    @app.exception_handler(RequestValidationError)
    def unreadable(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        name = ".".join(str(one) for one in first["loc"][1:]) or "the request"
        return _problem(f"{name}: {first['msg'].lower()}", "see /api/openapi.json for what it takes", 422)

    @app.exception_handler(HTTPException)
    def refused_as_such(_request: Request, error: HTTPException) -> JSONResponse:
        return _problem(str(error.detail).rstrip(".").lower(), "check the address", error.status_code)

    return app


def _problem(message: str, hint: str, status: int) -> JSONResponse:
    problem = Problem(error=printable(message), hint=printable(hint))
    return JSONResponse(problem.model_dump(), status)
