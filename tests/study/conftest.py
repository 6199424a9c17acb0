"""One small study for all tests that only read it, and a PostgreSQL."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from studies import small_study

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [
    Path(found).parent for found in [shutil.which("initdb")] if found
]


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a database, on a server of the tests' own."""
    if not _PROGRAMS or not (_PROGRAMS[-1] / "initdb").is_file():
        pytest.skip("no PostgreSQL on this machine")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    as_other: list[str] = []
    if os.getuid() == 0:  # the server refuses to run as root
        as_other = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    data, program = folder / "data", _PROGRAMS[-1]

    def call(name: str, *arguments: str) -> None:
        subprocess.run(
            [*as_other, str(program / name), *arguments], check=True, capture_output=True, cwd=folder
        )

    call("initdb", "-D", str(data), "-U", "study", "-A", "trust", "--no-sync")
    call("pg_ctl", "-D", str(data), "-w", "-l", str(data / "log"), "-o", f"-k {data} -h ''", "start")
    try:
        yield f"postgresql+psycopg://study@/postgres?host={data}"
    finally:
        call("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)
