"""What the admin sees, behind a token: results so far, and the answers to take away."""

import secrets
import time

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from frameweave.study.results.analysis import analysed
from frameweave.study.results.export import answers_csv, named_answers
from frameweave.study.results.tables import study_tables
from frameweave.study.server.site import ADMIN, Kept, Pages, Word, address_of

_SESSION = 8 * 3600  # seconds


def admin_router(pages: Pages) -> APIRouter:
    """All pages of the admin."""
    router, site = APIRouter(), pages.site

    @router.get("/admin", response_class=HTMLResponse)
    def login(request: Request) -> Response:
        return pages.draw("login.html", request)

    @router.post("/admin")
    def enter(request: Request, csrf: Word, token: Word, frameweave_visit: Kept = None) -> Response:
        pages.check(frameweave_visit, csrf)
        if not site.logins.allows(address_of(request)):
            raise HTTPException(429, "Too many attempts. Wait a minute.")
        if not secrets.compare_digest(token.encode(), site.admin.encode()):
            raise HTTPException(403, "That is not the token that was printed at the start.")
        until = str(int(time.time()) + _SESSION)
        answer = RedirectResponse("/admin/results", 303)
        pages.keep(answer, ADMIN, f"{until}.{_signature(pages, until)}", _SESSION)
        return answer

    @router.get("/admin/results", response_class=HTMLResponse)
    def results(request: Request, frameweave_admin: Kept = None) -> Response:
        _check(pages, frameweave_admin)
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
    def as_csv(frameweave_admin: Kept = None) -> Response:
        _check(pages, frameweave_admin)
        return Response(
            answers_csv(site.design, site.store.answers()),
            media_type="text/csv",
            headers={"content-disposition": "attachment; filename=answers.csv"},
        )

    @router.get("/admin/answers.json")
    def as_json(frameweave_admin: Kept = None) -> Response:
        _check(pages, frameweave_admin)
        return JSONResponse(named_answers(site.design, site.store.answers()))

    return router


def _check(pages: Pages, session: str | None) -> None:
    until, _, signature = (session or "").partition(".")
    right = _signature(pages, until).encode()
    genuine = until.isascii() and until.isdigit() and secrets.compare_digest(right, signature.encode())
    if not genuine or int(until) < time.time():
        raise HTTPException(403, "Log in on /admin first.")


def _signature(pages: Pages, until: str) -> str:
    """Sessions end with the token that they began with."""
    return pages.site.signer.sign("admin", f"{pages.site.admin} {until}")
