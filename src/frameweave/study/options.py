"""Settings of the user study."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from frameweave.runs.settings import Count, InputPath, NotNegative, Positive, Settings


class StudyNewOptions(Settings):
    """What a new study asks, and of how many."""

    systems: tuple[str, ...] = ("without:with",)
    """Which arms are compared, as first:second; the report gives the share of the second."""
    editors: tuple[str, ...] = ()
    """Only these editors; default: all."""
    clips: Count | None = None
    """At most so many clips of each editor, evenly spread; default: all."""
    criteria: tuple[str, ...] = ("alignment", "quality", "consistency")
    """What is asked about each pair."""
    per_rater: Count = 20
    """Pairs that a rater sees, beside checks and repeats."""
    per_pair: Count = 6
    """Raters who see each pair."""
    checks: NotNegative = 2
    """Checks of attention for each rater: the source beside a spoilt copy."""
    repeats: NotNegative = 1
    """Pairs that a rater sees twice, with the sides swapped."""
    undecided: bool = False
    """Whether "no preference" may be answered."""
    name: str = "Which video do you prefer?"
    """The title that raters see."""
    consent: InputPath | None = None
    """A text file with what raters agree to; default: a short text that says what is stored."""
    seed: int = 0
    """Seed of which video is on which side, and of the order of the pairs."""
    out: Path = Path("runs/study")
    """The study's folder, new or empty."""
    dry_run: bool = False
    """Say how many raters it takes and what they can show, and write nothing."""


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
    """Where answers are kept, such as postgresql+psycopg://user@host/name; default: answers.sqlite in the
    study's folder."""
    secure: bool = False
    """Send cookies by HTTPS only. Switch it on behind a proxy that speaks HTTPS."""
    proxy: str | None = None
    """Address, network or host name of a proxy whose word about the callers' addresses is taken; several with
    commas between."""
    prefix: Annotated[str, AfterValidator(_path)] = ""
    """Path below which a proxy shows the study, such as /lab/study; needed only where the proxy leaves it in
    the addresses, or to keep the cookies to that path."""
    enrolments_per_minute: Positive = 30
    """How many raters may begin from one address each minute."""


class StudyReportOptions(Settings):
    """Where the figures go."""

    database: str | None = None
    """The database that the study was served with; default: answers.sqlite in the study's folder."""
    everybody: bool = False
    """Count every rater's answers, also of those whom the rules leave out."""
    out: Path | None = None
    """Folder of the report; default: report in the study's folder."""
