"""The parts of the page that are text and pictures: made from templates, which show all values as text."""

import re
import shlex
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from frameweave.app.job import JobView
from frameweave.app.page import addresses
from frameweave.app.page.clip import times_of
from frameweave.app.telling import told
from frameweave.app.uploads import Upload
from frameweave.editing.options import EditOptions
from frameweave.errors import FrameweaveError, InputError
from frameweave.training.personal_options import PersonalOptions
from frameweave.video import probe
from frameweave.video.pages import rendered
from frameweave.video.sequences import is_pictures

_ROOM = "frameweave.app.page"
_USUAL_FPS = 25.0
_FLAG = re.compile(r"(?<!\S)--([a-z][a-z-]+)")
_MOST = 5000
"""Frames whose times the wipe is told."""
_CHOICES = 24
"""Earlier results that the two sides of the wipe can be chosen from."""


@dataclass(frozen=True)
class _Video:
    """One that the wipe can show."""

    title: str
    url: str


def problem(error: FrameweaveError) -> str:
    """An error that the form can mend: what is wrong, and what to do about it."""
    message, hint = told(error)
    return rendered(_ROOM, "problem.html", message=_sentence(message), hint=_sentence(hint))


def said(text: str) -> str:
    """A sentence to the user."""
    return rendered(_ROOM, "said.html", text=text)


def facts(upload: Upload, warnings: Sequence[str]) -> str:
    """The clip of the form, and what should be known before it is edited."""
    return rendered(
        _ROOM,
        "facts.html",
        upload=upload,
        url=addresses.upload(upload.path.name),
        fps=_plain(upload.fps),
        seconds=_plain(upload.seconds),
        warnings=[_sentence(one) for one in (*upload.notes, *warnings)],
    )


def limits(upload: Upload | None, times: Sequence[float]) -> str:
    """The first and the last frame of the range, as pictures; `times` are their seconds."""
    pictures = [addresses.frame(upload.path.name, seconds) for seconds in times] if upload else []
    return rendered(_ROOM, "range.html", pictures=pictures, times=[_plain(one) for one in times])


def _plain(number: float) -> str:
    """With two digits behind the point at most.

    >>> _plain(1250.0), _plain(23.976), _plain(0.125)
    ('1250', '23.98', '0.12')
    """
    return f"{number:.2f}".rstrip("0").rstrip(".")


def mask(upload: Upload, seconds: float, given: Path | None) -> str:
    """A frame to paint a mask on, with the mask that is `given`; a mask that is a video is only named."""
    return rendered(
        _ROOM,
        "mask.html",
        picture=given is None or is_pictures(given),
        frame=addresses.frame(upload.path.name, seconds),
        mask=addresses.picture(given.name) if given else "",
        name=given.name if given else "",
    )


def status(view: JobView | None) -> str:
    """How far the job is, in words and as a bar, with what it looks like by now."""
    return rendered(
        _ROOM,
        "status.html",
        view=view,
        notes=[_sentence(one) for one in view.notes] if view else [],
        said=_said(view) if view else "",
        left=_duration(view.loop.seconds_left) if view and view.loop and view.loop.seconds_left else "",
        message=_sentence(view.message) if view else "",
        hint=_sentence(view.hint) if view else "",
        preview=b64encode(view.preview).decode() if view and view.preview else "",
    )


def result(view: JobView | None, history: Sequence[JobView]) -> str:
    """What a job has made, beside its source and beside earlier results."""
    if view is None or view.state != "done" or not view.results:
        return rendered(_ROOM, "result.html", view=None)
    if view.kind == "train":
        return rendered(_ROOM, "trained.html", view=view, folder=str(view.results[0]))
    own = [
        _Video(_title(view, number), addresses.played(view.id, number))
        for number, path in enumerate(view.results)
        if view.kind != "compare" or path.stem != "source"  # which stands first anyway
    ]
    others = [
        _Video(f"{_title(one, number)} ({_when(one)})", addresses.played(one.id, number))
        for one in history
        if (one.state, one.kind) == ("done", "edit")
        if one.id != view.id and one.asked.video == view.asked.video  # other clips say nothing beside it
        for number in range(len(one.results))
    ]
    once: dict[Path, int] = {}  # both arms of a comparison have the source's panel
    for number, path in enumerate(view.results):
        once.setdefault(path, number)
    videos = [_Video("source", addresses.source(view.id)), *own, *others[:_CHOICES]]
    return rendered(
        _ROOM,
        "result.html",
        view=view,
        videos=[{"title": one.title, "url": one.url} for one in videos],
        # of a comparison, the first of its edits: all of them in one are too small beside the source
        right=min(2, len(videos) - 1) if view.kind == "compare" else 1,
        fps=_fps(view.asked.video),
        times=_times(view.results[0]),
        downloads=[(path.name, addresses.result(view.id, number)) for path, number in once.items()],
        words=shlex.join(view.asked.words),
        python=view.asked.python,
    )


def history(views: Sequence[JobView], chosen: str | None) -> str:
    """Earlier runs as pictures; the chosen one is marked."""
    cards = [
        {
            "view": one,
            "title": ", ".join(one.asked.prompts) or f"Adaptor: {_learned(one)}",
            "line": _line(one),
            "poster": addresses.poster(one.id, one.state),
        }
        for one in views
    ]
    return rendered(_ROOM, "history.html", cards=cards, chosen=chosen)


_STATES = {"cancelled": "stopped", "unfinished": "not finished"}
"""In the words of the page, which has Stop and Go on."""
_SAID = {
    "running": "Loading the model",
    "failed": "It did not work",
    "unfinished": "Not finished: the program ended before it was done",
}


def _sentence(text: str) -> str:
    """What the command line says, for people who see no flags.

    >>> _sentence("give --model for anything else")
    'Give “model” for anything else'
    """
    words = _FLAG.sub(lambda found: f"“{found[1].replace('-', ' ')}”", text)
    begins_with_a_word = words.partition(" ")[0].isalpha()  # and not with a file's name
    return words[:1].upper() + words[1:] if begins_with_a_word else words


def _said(view: JobView) -> str:
    if view.state == "waiting":
        return f"Waiting: {view.before} before this one" if view.before else "Waiting: it is the next one"
    if view.elsewhere:
        return "Another program works at it"
    if view.state == "running" and view.loop is not None:
        return view.loop.what[:1].upper() + view.loop.what[1:]
    if view.state in _SAID:
        return _SAID[view.state]
    took = _duration(view.seconds)
    return f"Done in {took}" if view.state == "done" else f"Stopped after {took}"


def _duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> _duration(3.2), _duration(75), _duration(7320)
    ('3 s', '1 min 15 s', '2 h 2 min')
    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _learned(view: JobView) -> str:
    """What a training's clip shows, or its name."""
    options = view.asked.options
    assert isinstance(options, PersonalOptions)
    return ", ".join(options.shows) or view.asked.video.name


def _title(view: JobView, number: int) -> str:
    if view.kind == "compare":
        return view.results[number].stem
    prompts, names = view.asked.prompts, [path.name for path in view.results]
    if len(names) < len(prompts):  # some are gone: which one this is, its name tells
        told = re.search(r"-(\d+)\.\w+$", names[number])
        return prompts[int(told[1]) - 1] if told and int(told[1]) <= len(prompts) else names[number]
    return prompts[number] if number < len(prompts) else names[number]


def _line(view: JobView) -> str:
    options = view.asked.options
    what = options.editor if isinstance(options, EditOptions) else "training"
    if view.kind == "compare":
        what = "all editors"
    state = _duration(view.seconds) if view.state == "done" else _STATES.get(view.state, view.state)
    return f"{what} · {state} · {_when(view)}"


def _when(view: JobView) -> str:
    then, now = datetime.fromtimestamp(view.when), datetime.now()
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then.day} {then:%b %H:%M}"


def _times(video: Path) -> list[float]:
    """When its frames are shown, for the wipe; none where they are too many, or it is gone."""
    try:
        times = times_of(video)
    except InputError:
        return []
    return [round(float(time), 4) for time in times] if len(times) <= _MOST else []


def _fps(video: Path) -> float:
    try:
        return float(probe(video).fps)
    except InputError:
        return _USUAL_FPS
