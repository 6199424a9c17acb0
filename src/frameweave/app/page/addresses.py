"""Where the page finds videos and pictures on its server."""

from urllib.parse import quote

UPLOADS = "/uploads"
_JOBS = "/api/v1/jobs"


def result(job: str, number: int) -> str:
    """A video of a job, counted from 0, as it was written."""
    return f"{_JOBS}/{quote(job)}/results/{number}"


def played(job: str, number: int) -> str:
    """The same as browsers play it."""
    return f"{result(job, number)}?form=player"


def source(job: str) -> str:
    """The video of a job before the edit."""
    return f"{_JOBS}/{quote(job)}/source"


def poster(job: str, state: str) -> str:
    """A small picture of what a job has made, or of its source; another one when its state changes."""
    return f"{_JOBS}/{quote(job)}/poster?state={quote(state)}"


def upload(name: str) -> str:
    """An uploaded video."""
    return f"{UPLOADS}/{quote(name)}"


def frame(name: str, seconds: float) -> str:
    """The frame of an uploaded video that is shown at a time."""
    return f"{UPLOADS}/{quote(name)}/frame?at={seconds:.3f}"


def picture(name: str) -> str:
    """An uploaded picture, such as a mask."""
    return f"{UPLOADS}/{quote(name)}/picture"
