"""What raters see: consent, one page a trial, thanks. Nothing of it says which system made a video."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel, BeforeValidator, Field
from starlette.exceptions import HTTPException

from frameweave.errors import InputError
from frameweave.study.assignment import video_on
from frameweave.study.design import CRITERIA
from frameweave.study.folder import MEDIA
from frameweave.study.server.site import MONTH, RATER, VISIT, Id, Pages, Word
from frameweave.study.server.storage import Choice, Given, StudyFull

CONSENT = (
    "You will see pairs of short videos and say which you prefer. It takes about ten minutes, and you may "
    "stop at any time. We store your answers, how long each took, and the family of your browser. We store "
    "no name, no address and no IP address. On the last page you can delete your answers."
)
Which = Literal["left", "right", "source"]
_MOST = 2**31 - 1  # that a database's column holds


def _at_most(value: str) -> str | int:
    """Who leaves a page open for days still answers it: their time is cut to what can be kept."""
    return min(int(value), _MOST) if value.isdecimal() and len(value) < 100 else value


Counted = Annotated[int, BeforeValidator(_at_most), Field(ge=0, le=_MOST)]


class Answers(BaseModel):
    """The form of a trial's page."""

    csrf: str = Field(max_length=200)
    trial: str = Field(max_length=64)
    alignment: str = Field("", max_length=10)
    quality: str = Field("", max_length=10)
    consistency: str = Field("", max_length=10)
    milliseconds: Counted = 0
    loops: Counted = 0


def rater_router(pages: Pages) -> APIRouter:
    """All pages of raters."""
    router = APIRouter()
    _entrance(router, pages)
    _trials(router, pages)
    _exit(router, pages)
    return router


def _entrance(router: APIRouter, pages: Pages) -> None:
    site, store = pages.site, pages.site.store

    @router.get("/", response_class=HTMLResponse)
    def consent(request: Request, token: str | None = pages.kept(RATER)) -> Response:
        known = token is not None and store.rater(token) is not None
        return pages.draw("consent.html", request, consent=site.design.consent or CONSENT, known=known)

    @router.post("/begin")
    def begin(
        request: Request, csrf: Word, agree: Word = "", visit: str | None = pages.kept(VISIT)
    ) -> Response:
        pages.check(visit, csrf)
        if agree != "yes":
            raise HTTPException(422, "Please agree first, or close this page.")
        if not site.enrolments.allows(site.callers.address_of(request)):
            raise HTTPException(429, "Too many begin at this moment. Please try again in a minute.")
        try:
            token = store.enrol(_family(request.headers.get("user-agent", "")))
        except StudyFull:
            return pages.message(request, "Complete", "The study has all its answers. Thank you.")
        return _to_the_task(pages, request, token)

    @router.get("/resume/{token}")
    def resume(request: Request, token: Id) -> Response:
        rater_of(pages, token)
        return _to_the_task(pages, request, token)


def _trials(router: APIRouter, pages: Pages) -> None:
    site, store = pages.site, pages.site.store

    @router.get("/task", response_class=HTMLResponse)
    def task(request: Request, token: str | None = pages.kept(RATER)) -> Response:
        coming = store.upcoming(rater_of(pages, token), 2)
        if not coming:
            return pages.redirect(request, "thanks")
        return _page(pages, request, coming, token or "")

    @router.post("/task")
    def answer(
        request: Request,
        form: Annotated[Answers, Form()],
        token: str | None = pages.kept(RATER),
        visit: str | None = pages.kept(VISIT),
    ) -> Response:
        pages.check(visit, form.csrf)
        rater = rater_of(pages, token)
        given = {criterion: getattr(form, criterion) for criterion in site.design.criteria}
        choices: dict[str, Choice] = {name: _choice(text) for name, text in given.items() if text}
        store.answer(rater, form.trial, choices, milliseconds=form.milliseconds, loops=form.loops)
        return pages.redirect(request, "task")

    @router.get("/media/{trial}/{which}.mp4")
    def media(trial: Id, which: Which, token: str | None = pages.kept(RATER)) -> Response:
        coming = {given.id: given.trial for given in store.upcoming(rater_of(pages, token), 2)}
        if trial not in coming:
            raise HTTPException(403, "This video belongs to another page.")
        pair, shown = site.design.pair(coming[trial].pair), video_on(which, coming[trial].left)
        name = pair.source if shown is None else pair.media[shown]
        if not name:
            raise HTTPException(404, "There is no such video.")
        # a tag of the page, not of the file: a repeated pair would be known again by it
        headers = {"etag": f'"{trial}-{which}"', "last-modified": "Thu, 01 Jan 1970 00:00:00 GMT"}
        return FileResponse(site.folder / MEDIA / name, media_type="video/mp4", headers=headers)


def _exit(router: APIRouter, pages: Pages) -> None:
    site, store = pages.site, pages.site.store

    @router.get("/thanks", response_class=HTMLResponse)
    def thanks(request: Request, token: str | None = pages.kept(RATER)) -> Response:
        rater = rater_of(pages, token)
        done, total = store.position(rater)
        if done < total:
            return pages.redirect(request, "task")
        code = site.signer.sign("done", f"{store.id} {rater}")[:10].upper()
        return pages.draw("thanks.html", request, code=code)

    @router.post("/forget", response_class=HTMLResponse)
    def forget(
        request: Request,
        csrf: Word,
        token: str | None = pages.kept(RATER),
        visit: str | None = pages.kept(VISIT),
    ) -> Response:
        pages.check(visit, csrf)
        store.forget(rater_of(pages, token))
        answer = pages.message(request, "Deleted", "Your answers have been deleted.")
        pages.keep(answer, RATER, "", 0)
        return answer


def rater_of(pages: Pages, token: str | None) -> int:
    """The rater with that token, who is counted. Refuses forged tokens, and whoever is too fast."""
    rater = pages.site.store.rater(token) if token else None
    if rater is None:
        raise HTTPException(403, "This link is not valid (any more). Begin on the first page.")
    if not pages.site.pages.allows(str(rater)):
        raise HTTPException(429, "Too fast. Wait a moment, then go on.")
    return rater


def _page(pages: Pages, request: Request, coming: list[Given], token: str) -> HTMLResponse:
    given, design = coming[0], pages.site.design
    pair = design.pair(given.trial.pair)
    # the order of the questions is the rater's own, and the same on all of the pages
    turn = int(pages.site.signer.sign("order", token)[:8], 16) % len(design.criteria)
    order = design.criteria[turn:] + design.criteria[:turn]
    return pages.draw(
        "task.html",
        request,
        trial=given.id,
        prompt=pair.prompt,
        has_source=bool(pair.source),
        following=coming[1].id if len(coming) > 1 else "",
        questions=[(criterion, CRITERIA[criterion]) for criterion in order],
        no_preference=design.no_preference,
        number=given.position + 1,
        total=given.of,
        token=token,
    )


def _to_the_task(pages: Pages, request: Request, token: str) -> Response:
    answer = pages.redirect(request, "task")
    pages.keep(answer, RATER, token, MONTH)
    return answer


def _choice(text: str) -> Choice:
    if text == "left" or text == "right" or text == "none":  # noqa: PLR1714 - narrows the type
        return text
    raise InputError.unknown("answer", text, ["left", "right", "none"])


def _family(agent: str) -> str:
    """The browser's family; no version, no system."""
    for name in ("Edg", "OPR", "Firefox", "Chrome", "Safari"):
        if name in agent:
            return {"Edg": "Edge", "OPR": "Opera"}.get(name, name)
    return "other"
