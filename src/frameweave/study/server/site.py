"""What a study's server knows, and what its pages share: templates, cookies, signed forms."""

import re
import secrets
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Cookie, Form, Request, Response
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup
from starlette.exceptions import HTTPException

from frameweave.measuring.report.formats import web
from frameweave.measuring.report.table import Table
from frameweave.serving.limits import Limiter
from frameweave.study.design import Design
from frameweave.study.server.places import Callers, link
from frameweave.study.server.security import Signer
from frameweave.study.server.storage import Store

VISIT, RATER, ADMIN = "visit", "rater", "admin"
"""What cookies hold."""
MONTH = 30 * 24 * 3600
"""Seconds that a browser remembers its rater."""
Id = Annotated[str, InPath(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Word = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True, kw_only=True)
class Site:
    """A study as it is served."""

    design: Design
    store: Store
    folder: Path
    signer: Signer
    admin: str
    """The admin's token; there is no default one."""
    secure: bool = False
    """Whether cookies travel by HTTPS only."""
    prefix: str = ""
    """The path below which a proxy shows the study, e.g. /lab/study."""
    callers: Callers = field(default_factory=lambda: Callers(lambda _: None))
    enrolments: Limiter = field(default_factory=lambda: Limiter(burst=20, per_minute=30))
    """By address."""
    pages: Limiter = field(default_factory=lambda: Limiter(burst=60, per_minute=300))
    """By rater."""
    logins: Limiter = field(default_factory=lambda: Limiter(burst=5, per_minute=5))
    """By address."""


class Pages:
    """Draws pages and keeps a browser's cookies."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._own = site.signer.sign("cookies", site.store.id)[:8]
        self._templates = Environment(
            loader=PackageLoader("frameweave.study.server"), autoescape=select_autoescape(), trim_blocks=True
        )
        self._templates.filters["web"] = _markup

    def draw(self, template: str, request: Request, status: int = 200, **values: Any) -> HTMLResponse:
        """A page whose forms carry the proof that this browser was shown them."""
        visit = request.cookies.get(self._name(VISIT), "")
        fresh = not re.fullmatch(r"[A-Za-z0-9_-]{20,64}", visit)
        if fresh:
            visit = secrets.token_urlsafe(24)
        values |= {"csrf": self.site.signer.sign("form", visit), "study": self.site.design.name}
        values["link"] = partial(link, request)
        answer = HTMLResponse(self._templates.get_template(template).render(values), status)
        if fresh:
            self.keep(answer, VISIT, visit, MONTH)
        return answer

    def message(self, request: Request, title: str, text: str, status: int = 200) -> HTMLResponse:
        """A page with nothing but a text."""
        return self.draw("message.html", request, status, title=title, text=text)

    def redirect(self, request: Request, to: str) -> RedirectResponse:
        """To another page, which is asked for anew."""
        return RedirectResponse(link(request, to), 303)

    def kept(self, what: str) -> Any:
        """The default of a parameter that takes what a cookie holds."""
        return Cookie(None, alias=self._name(what), max_length=200)

    def keep(self, answer: Response, what: str, value: str, seconds: int) -> None:
        """Set a cookie that scripts cannot read; 0 seconds end it."""
        answer.set_cookie(
            self._name(what), value, max_age=seconds, path=f"{self.site.prefix}/", httponly=True,
            samesite="lax", secure=self.site.secure,
        )  # fmt: skip

    def _name(self, what: str) -> str:
        """Of a cookie. Several studies on one host share its cookies, whatever their ports, so each has
        names of its own."""
        return f"frameweave_{what}_{self._own}"

    def check(self, visit: str | None, csrf: str) -> None:
        """Refuse a form that this server has not shown in this browser."""
        if visit is None or not self.site.signer.is_signed("form", visit, csrf):
            raise HTTPException(403, "This form has expired. Go back, load the page again, and send it anew.")


def _markup(table: Table) -> Markup:
    return Markup(web(table))
