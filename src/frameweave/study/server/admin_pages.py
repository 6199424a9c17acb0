"""What the admin sees, behind a token: results so far, and the answers to take away."""

import secrets
import time

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from frameweave.study.results.export import answers_csv, named_answers
from frameweave.study.server.site import ADMIN, VISIT, Pages, Word

_SESSION = 8 * 3600  # seconds


def admin_router(pages: Pages) -> APIRouter:
    """All pages of the admin."""
    router, site = APIRouter(), pages.site

    @router.get("/admin", response_class=HTMLResponse)
    def login(request: Request) -> Response:
        return pages.draw("login.html", request)

    @router.post("/admin")
    def enter(request: Request, csrf: Word, token: Word, visit: str | None = pages.kept(VISIT)) -> Response:
        pages.check(visit, csrf)
        if not site.logins.allows(site.callers.address_of(request)):
            raise HTTPException(429, "Too many attempts. Wait a minute.")
        if not secrets.compare_digest(token.encode(), site.admin.encode()):
            raise HTTPException(403, "That is not the token that was printed at the start.")
        until = str(int(time.time()) + _SESSION)
        answer = pages.redirect(request, "admin/results")
        pages.keep(answer, ADMIN, f"{until}.{_signature(pages, until)}", _SESSION)
        return answer

    @router.get("/admin/results", response_class=HTMLResponse)
    def results(request: Request, session: str | None = pages.kept(ADMIN)) -> Response:
        from frameweave.study.results.analysis import analysed  # noqa: PLC0415 - brings scipy, in seconds
        from frameweave.study.results.tables import study_tables  # noqa: PLC0415

        _check(pages, session)
        found = analysed(site.design, site.store.answers())
        return pages.draw(
            "results.html",
            request,
            raters=site.store.raters(),
            found=found,
            tables=study_tables(found),
            wanted=len(site.design.pairs) * site.design.per_pair * len(site.design.criteria),
        )

    @router.get("/admin/answers.csv")
    def as_csv(session: str | None = pages.kept(ADMIN)) -> Response:
        _check(pages, session)
        return Response(
            answers_csv(site.design, site.store.answers()),
            media_type="text/csv",
            headers={"content-disposition": "attachment; filename=answers.csv"},
        )

    @router.get("/admin/answers.json")
    def as_json(session: str | None = pages.kept(ADMIN)) -> Response:
        _check(pages, session)
        return JSONResponse(named_answers(site.design, site.store.answers()))

    return router


def _check(pages: Pages, session: str | None) -> None:
    until, _, signature = (session or "").partition(".")
    right = _signature(pages, until).encode()
    genuine = until.isascii() and until.isdigit() and secrets.compare_digest(right, signature.encode())
    if not genuine or int(until) < time.time():
        raise HTTPException(403, "Log in on the admin's page first.")


def _signature(pages: Pages, until: str) -> str:
    """Sessions end with the token that they began with."""
    return pages.site.signer.sign("admin", f"{pages.site.admin} {until}")
