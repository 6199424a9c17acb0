"""Settings of the user study."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from frameweave.runs.settings import Count, FixedSeed, InputPath, NotNegative, Positive, Settings


class StudyNewOptions(Settings):
    """What a new study asks, and of how many."""

    systems: tuple[str, ...] = ("without:with",)
    """The two arms of the runs that are compared, as first:second; the report gives the share that prefers
    the second."""
    editors: tuple[str, ...] = ()
    """Take only these editors; default: all."""
    clips: Count | None = None
    """Largest number of clips of each editor, evenly spread over all; default: all."""
    criteria: tuple[str, ...] = ("alignment", "quality", "consistency")
    """Questions about each pair."""
    per_rater: Count = 20
    """Number of pairs that each rater sees, besides attention checks and repeats."""
    per_pair: Count = 6
    """Number of raters who see each pair."""
    checks: NotNegative = 2
    """Number of attention checks for each rater; a check shows the source beside a spoilt copy."""
    repeats: NotNegative = 1
    """Number of pairs that each rater sees twice, with the sides swapped."""
    undecided: bool = False
    """Whether raters may answer "no preference"."""
    name: str = "Which video do you prefer?"
    """The title that raters see."""
    consent: InputPath | None = None
    """A text file with what raters agree to; default: a short text that says what is stored."""
    seed: FixedSeed = 0
    """Random seed of the sides on which videos are shown and of the order of the pairs."""
    out: Path = Path("runs/study")
    """The study's folder, new or empty."""
    dry_run: bool = False
    """Say how many raters are needed and what they can show, and write nothing."""


def _path(text: str) -> str:
    """A path without a slash at its end, so that others can be put behind it."""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])*/?", text):
        raise ValueError("a path of letters, digits, - and _, such as /lab/study")
    return text.removesuffix("/")


class StudyServeOptions(Settings):
    """Where the study is served, and where its answers go."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes a free one."""
    database: str | None = None
    """The database for the answers, such as postgresql+psycopg://user@host/name; default: answers.sqlite in
    the study's folder."""
    secure: bool = False
    """Send cookies by HTTPS only. Switch it on behind a proxy that speaks HTTPS."""
    proxy: str | None = None
    """Address, network or host name of a proxy that is trusted to report raters' addresses; several with
    commas between."""
    prefix: Annotated[str, AfterValidator(_path)] = ""
    """Path below which a proxy shows the study, such as /lab/study; needed only if the proxy keeps the path
    in what it passes on, or to keep cookies to that path."""
    enrolments_per_minute: Positive = 30
    """Number of raters who may begin from one address in a minute."""


class StudyReportOptions(Settings):
    """Where the figures go."""

    database: str | None = None
    """The database that the study was served with; default: answers.sqlite in the study's folder."""
    everybody: bool = False
    """Count the answers of all raters, also of those whom the rules leave out."""
    out: Path | None = None
    """Folder of the report; default: report in the study's folder."""
