"""The same answers in PostgreSQL, on a server of the tests' own, with raters who begin all at once."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from frameweave.study.folder import read_design
from frameweave.study.server.storage import Store

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [
    Path(found).parent for found in [shutil.which("initdb")] if found
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    if not PROGRAMS or not (PROGRAMS[-1] / "initdb").is_file():
        pytest.skip("no PostgreSQL on this machine")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    as_other: list[str] = []
    if os.getuid() == 0:  # the server refuses to run as root
        as_other = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    data, program = folder / "data", PROGRAMS[-1]

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


def test_raters_who_begin_at_once_get_balanced_pairs_and_every_answer_is_kept(
    url: str, study_folder: Path
) -> None:
    design = read_design(study_folder)
    store = Store(url, design)

    def rate() -> None:
        rater = store.rater(store.enrol())
        assert rater is not None
        while given := store.upcoming(rater):
            assert store.answer(rater, given[0].id, dict.fromkeys(design.criteria, "left"))

    threads = [threading.Thread(target=rate) for _ in range(4)]  # as many as the quota takes
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = store.answers()
    assert len(rows) == 4 * 6 * 3
    counted = [row for row in rows if row.kind == "pair" and row.criterion == "quality"]
    assert set(Counter(row.pair for row in counted).values()) == {2}
    assert set(Counter((row.pair, row.left) for row in counted).values()) == {1}
    store.close()
    again = Store(url, design)
    assert len(again.answers()) == len(rows)
    again.close()
