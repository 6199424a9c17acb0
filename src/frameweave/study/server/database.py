"""The study's tables, and how SQLite and PostgreSQL are opened."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from frameweave.errors import InputError

TABLES = sa.MetaData()
STUDY = sa.Table(
    "study", TABLES, sa.Column("digest", sa.String(64), primary_key=True), sa.Column("made", sa.Float)
)
RATERS = sa.Table(
    "raters",
    TABLES,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token", sa.String(64), unique=True, nullable=False),  # its SHA-256: a copy opens nothing
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
    sa.Column("agent", sa.String(40), nullable=False),
)
NUMBERS = sa.Table(  # one row: the number of the next rater, which no other ever had
    "numbers", TABLES, sa.Column("next", sa.Integer, primary_key=True, autoincrement=False)
)
TRIALS = sa.Table(
    "trials",
    TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("rater", sa.Integer, sa.ForeignKey("raters.number"), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("pair", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("left", sa.Integer, nullable=False),
    sa.UniqueConstraint("rater", "position"),
)
ANSWERS = sa.Table(
    "answers",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("trial", sa.String(32), sa.ForeignKey("trials.id"), nullable=False),
    sa.Column("criterion", sa.String(20), nullable=False),
    sa.Column("choice", sa.String(5), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    sa.Column("loops", sa.Integer, nullable=False),
    sa.UniqueConstraint("trial", "criterion"),
)


def engine_of(url: str) -> Engine:
    """For any URL. Raises `InputError` for one that cannot be read, or whose driver is missing."""
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise InputError(
            f"database {url.rsplit('@', maxsplit=1)[-1]!r} cannot be opened ({error})",
            hint="e.g. postgresql+psycopg://user@host/name, with the extra `postgres` installed",
        ) from error
    if engine.dialect.name == "sqlite":

        def prepare(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # transactions are begun below
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")

        def begin(connection: Connection) -> None:
            if connection.get_isolation_level() != "AUTOCOMMIT":
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # writers wait for each other, none fails

        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", begin)

    return engine
