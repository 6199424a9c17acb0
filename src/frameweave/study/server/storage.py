"""Where raters, their trials and their answers are kept: SQLite in a file, or any PostgreSQL by its URL.

Answers are only ever added. What a caller was told is saved has been committed: SQLite runs with a
write-ahead log and full synchronisation.
"""

import hashlib
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from frameweave.errors import InputError, RunError
from frameweave.study.answers import Answer
from frameweave.study.assignment import Shown, Trial, trials_of
from frameweave.study.design import Design, Kind
from frameweave.study.server.database import ANSWERS, NUMBERS, RATERS, STUDY, TABLES, TRIALS, engine_of

Choice = Literal["left", "right", "none"]
_ABANDONED = 2 * 3600  # seconds without an answer after which a rater's open pairs go back to the others
_LOCK = 0x46726D57  # of PostgreSQL: one rater is enrolled at a time


class StudyFull(RunError):
    """Every pair has been given to enough raters."""


class NotYours(InputError):
    """The trial is not the one that this rater is shown."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A trial of a rater, and where it stands."""

    id: str
    position: int
    of: int
    trial: Trial


class Store:
    """The database of one study."""

    def __init__(self, url: str, design: Design) -> None:
        """Opens or makes it. `url` is e.g. sqlite:///answers.sqlite or postgresql+psycopg://host/name.

        Raises `RunError` when it cannot be opened, or holds answers to another design.
        """
        self.design = design
        self._engine = engine_of(url)
        try:
            TABLES.create_all(self._engine)
            with self._engine.begin() as connection:
                if connection.execute(sa.select(STUDY)).first() is None:
                    connection.execute(STUDY.insert().values(digest=design.digest, made=time.time()))
                found, made = connection.execute(sa.select(STUDY.c.digest, STUDY.c.made)).one()
        except SQLAlchemyError as error:
            raise RunError(
                f"{self._engine.url.render_as_string()}: cannot be used ({_reason(error)})",
                hint="check the path or the URL, and whether the disk has room",
            ) from error
        self.id = f"{found} {made!r}"
        """Tells this database from those of other studies, and from another one of this study."""
        if found != design.digest:
            raise RunError(
                "the study was changed after it was served: its answers belong to the old design",
                hint="build the changed study into a new folder with `study new`",
            )

    def enrol(self, agent: str = "") -> str:
        """A new rater with all trials; returns the token, which is stored nowhere else.

        Raises `StudyFull` when every pair has enough raters.
        """
        token, now = secrets.token_urlsafe(32), time.time()
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            shown = self._shown(connection, now)
            if self._is_full(shown):  # unless some of it comes from raters who will be left out
                shown = self._shown(connection, now, without=self._at_fault(connection))
            if self._is_full(shown):
                raise StudyFull("every pair has enough raters", hint="thank you; the study is complete")
            number = self._number(connection)
            rater = {
                "number": number,
                "token": _digest(token),
                "started": now,
                "seen": now,
                "agent": agent[:40],
            }
            connection.execute(RATERS.insert().values(**rater))
            connection.execute(
                TRIALS.insert(),
                [
                    {"id": secrets.token_urlsafe(16), "rater": number, "position": position}
                    | {"pair": trial.pair, "kind": trial.kind, "left": trial.left}
                    for position, trial in enumerate(trials_of(self.design, number, shown))
                ],
            )
        return token

    def rater(self, token: str) -> int | None:
        """The number of the rater with that token; None for a forged one."""
        with self._reading() as connection:
            found = connection.execute(sa.select(RATERS.c.number).where(RATERS.c.token == _digest(token)))
            return found.scalar()

    def upcoming(self, rater: int, count: int = 1) -> list[Given]:
        """The next trials that are not answered in full, the current one first; none when all are."""
        with self._reading() as connection:
            return self._open(connection, rater, count)

    def position(self, rater: int) -> tuple[int, int]:
        """How many trials are done, of how many."""
        with self._reading() as connection:
            total = self._total(connection, rater)
            open_ones = self._open(connection, rater, total)
        return total - len(open_ones), total

    def answer(
        self, rater: int, trial: str, choices: Mapping[str, Choice], *, milliseconds: int = 0, loops: int = 0
    ) -> bool:
        """Save one page of answers; True when they are new. The first answer to a trial stands.

        Raises `NotYours` for a trial of somebody else or of a later page, `InputError` for missing or
        unknown criteria and choices.
        """
        self._check(choices)
        now = time.time()
        rows = [
            {"trial": trial, "criterion": criterion, "choice": choices[criterion], "at": now}
            | {"milliseconds": max(0, milliseconds), "loops": max(0, loops)}
            for criterion in self.design.criteria
        ]
        try:
            with self._engine.begin() as connection:
                current = self._open(connection, rater, 1)
                if not current or current[0].id != trial:
                    if self._answered(connection, rater, trial):
                        return False
                    raise NotYours(
                        "this page is not the current one", hint="open the study's first page again"
                    )
                connection.execute(ANSWERS.insert(), rows)
                connection.execute(RATERS.update().where(RATERS.c.number == rater).values(seen=now))
        except IntegrityError:
            with self._reading() as connection:
                if self._answered(connection, rater, trial):  # the same page, sent twice at the same moment
                    return False
            raise
        return True

    def answers(self) -> list[Answer]:
        """All of them in order; raters are numbers only."""
        with self._reading() as connection:
            return self._answers(connection)

    def _answers(self, connection: Connection) -> list[Answer]:
        joined = ANSWERS.join(TRIALS, ANSWERS.c.trial == TRIALS.c.id).join(
            RATERS, TRIALS.c.rater == RATERS.c.number
        )
        columns = (
            TRIALS.c.rater, TRIALS.c.position, TRIALS.c.pair, TRIALS.c.kind, TRIALS.c.left,
            ANSWERS.c.criterion, ANSWERS.c.choice, ANSWERS.c.at, ANSWERS.c.milliseconds, ANSWERS.c.loops,
        )  # fmt: skip
        found = connection.execute(sa.select(*columns).select_from(joined).order_by(ANSWERS.c.id))
        return [Answer(**dict(row)) for row in found.mappings()]

    def raters(self) -> int:
        """How many have begun."""
        with self._reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(RATERS)).scalar_one()

    def forget(self, rater: int) -> None:
        """Delete all that is known of a rater, who asked for it."""
        with self._engine.begin() as connection:
            own = sa.select(TRIALS.c.id).where(TRIALS.c.rater == rater)
            connection.execute(ANSWERS.delete().where(ANSWERS.c.trial.in_(own)))
            connection.execute(TRIALS.delete().where(TRIALS.c.rater == rater))
            connection.execute(RATERS.delete().where(RATERS.c.number == rater))

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def _check(self, choices: Mapping[str, Choice]) -> None:
        allowed = ["left", "right", *(["none"] if self.design.no_preference else [])]
        for criterion in self.design.criteria:
            if criterion not in choices:
                raise InputError(f"no answer about {criterion}", hint="answer every question")
            if choices[criterion] not in allowed:
                raise InputError.unknown(f"answer about {criterion}", choices[criterion], allowed)
        if odd := choices.keys() - set(self.design.criteria):
            raise InputError.unknown("criterion", min(odd), list(self.design.criteria))

    def _at_fault(self, connection: Connection) -> Collection[int]:
        from frameweave.study.results.analysis import at_fault  # noqa: PLC0415 - it takes seconds to load

        return at_fault(self.design, self._answers(connection))

    def _is_full(self, shown: Mapping[str, Shown]) -> bool:
        """Whether every pair has enough raters."""
        least = min(shown.get(pair.id, Shown()).total for pair in self.design.pairs)
        return least >= self.design.per_pair

    def _shown(
        self, connection: Connection, now: float, *, without: Collection[int] = ()
    ) -> dict[str, Shown]:
        """How often each pair counts: answered, or open with a rater who is still there.

        What raters `without` count saw is left out.
        """
        done = sa.select(ANSWERS.c.trial).where(ANSWERS.c.trial == TRIALS.c.id).exists()
        found = connection.execute(
            sa.select(TRIALS.c.pair, TRIALS.c.left, sa.func.count())
            .select_from(TRIALS.join(RATERS, TRIALS.c.rater == RATERS.c.number))
            .where(TRIALS.c.kind == "pair", sa.or_(done, RATERS.c.seen > now - _ABANDONED))
            .where(TRIALS.c.rater.not_in(without))
            .group_by(TRIALS.c.pair, TRIALS.c.left)
        )
        counts: dict[str, list[int]] = {}
        for pair, left, count in found:
            counts.setdefault(pair, [0, 0])[left] = count
        return {pair: Shown(first_left=zero, first_right=one) for pair, (zero, one) in counts.items()}

    def _open(self, connection: Connection, rater: int, count: int) -> list[Given]:
        answered = (
            sa.select(sa.func.count()).select_from(ANSWERS).where(ANSWERS.c.trial == TRIALS.c.id)
        ).scalar_subquery()
        found = connection.execute(
            sa.select(TRIALS)
            .where(TRIALS.c.rater == rater, answered < len(self.design.criteria))
            .order_by(TRIALS.c.position)
            .limit(count)
        ).mappings()
        total = self._total(connection, rater)
        return [
            Given(
                id=row["id"],
                position=row["position"],
                of=total,
                trial=Trial(pair=row["pair"], kind=_kind(row["kind"]), left=row["left"]),
            )
            for row in found
        ]

    def _number(self, connection: Connection) -> int:
        """The next rater's. None is given twice, also where a rater was forgotten."""
        last = connection.execute(sa.select(sa.func.max(RATERS.c.number))).scalar()
        following = connection.execute(sa.select(NUMBERS.c.next)).scalar() or 0
        number = max(following, -1 if last is None else last + 1)
        connection.execute(NUMBERS.delete())
        connection.execute(NUMBERS.insert().values(next=number + 1))
        return number

    def _total(self, connection: Connection, rater: int) -> int:
        own = sa.select(sa.func.count()).select_from(TRIALS).where(TRIALS.c.rater == rater)
        return connection.execute(own).scalar_one()

    def _answered(self, connection: Connection, rater: int, trial: str) -> bool:
        own = TRIALS.join(ANSWERS, ANSWERS.c.trial == TRIALS.c.id)
        found = connection.execute(
            sa.select(sa.func.count()).select_from(own).where(TRIALS.c.id == trial, TRIALS.c.rater == rater)
        )
        return found.scalar_one() > 0

    def _reading(self) -> Connection:
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _kind(text: str) -> Kind:
    return "obvious" if text == "obvious" else "repeat" if text == "repeat" else "pair"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _reason(error: SQLAlchemyError) -> str:
    return str(error.orig) if isinstance(error, OperationalError) else str(error).splitlines()[0]
