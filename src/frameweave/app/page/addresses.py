"""Where the page finds files: the paths of the server's own routes, which serve nothing else."""

from urllib.parse import quote

_ROOT = "/api/v1"


def result(job: str, number: int, *, playable: bool = True) -> str:
    """A video of a job, counted from 0; as browsers play it, or as it was written."""
    return f"{_ROOT}/jobs/{quote(job)}/results/{number}{'/playable' if playable else '?download=1'}"


def source(job: str) -> str:
    """The video of a job before the edit."""
    return f"{_ROOT}/jobs/{quote(job)}/source"


def poster(job: str) -> str:
    """A small picture of what a job has made, or of its source."""
    return f"{_ROOT}/jobs/{quote(job)}/poster"


def upload(name: str) -> str:
    """An uploaded video."""
    return f"{_ROOT}/uploads/{quote(name)}"


def frame(name: str, seconds: float) -> str:
    """The frame of an uploaded video that is shown at a time."""
    return f"{_ROOT}/uploads/{quote(name)}/frame?at={seconds:.3f}"
