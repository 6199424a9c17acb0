"""The study's web server, put together."""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from frameweave.errors import FrameweaveError, InputError
from frameweave.study.server.admin_pages import admin_router
from frameweave.study.server.rater_pages import rater_router
from frameweave.study.server.security import Guard
from frameweave.study.server.site import Pages, Site
from frameweave.study.server.storage import NotYours


def make_app(site: Site) -> FastAPI:
    """The server of one study. Errors are pages too; none shows what went on inside."""
    app = FastAPI(
        title="Frameweave study",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # its redirects know nothing of a prefix
    )
    app.add_middleware(Guard, prefix=site.prefix)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    pages = Pages(site)
    app.include_router(rater_router(pages))
    app.include_router(admin_router(pages))

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        return pages.message(request, "Sorry", str(error.detail), error.status_code)

    @app.exception_handler(RequestValidationError)
    def unreadable(request: Request, _error: RequestValidationError) -> Response:
        return pages.message(request, "Sorry", "This address or form is not one of ours.", 422)

    @app.exception_handler(SQLAlchemyError)
    def unsaved(request: Request, _error: SQLAlchemyError) -> Response:
        text = "The server could not write just now, and this answer is not saved. Go back and send it again."
        return pages.message(request, "Sorry", text, 503)

    @app.exception_handler(FrameweaveError)
    def failed(request: Request, error: FrameweaveError) -> Response:
        status = 403 if isinstance(error, NotYours) else 422 if isinstance(error, InputError) else 503
        return pages.message(request, "Sorry", str(error), status)

    return app
