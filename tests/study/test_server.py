"""A real server: killed again and again under load, many raters at once, ports that are taken."""

import random
import shutil
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from frameweave.errors import DataError, RunError
from frameweave.study.folder import DESIGN, MEDIA, read_design
from frameweave.study.options import StudyServeOptions
from frameweave.study.server.serve import serve
from processes import free_port, soon
from studies import SMALL, field_of, served, small_study
from study_client import Client


def kept(folder: Path) -> Counter[str]:
    """How many answers stand for each trial."""
    with closing(sqlite3.connect(folder / "answers.sqlite", isolation_level=None)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return Counter(dict(connection.execute("SELECT trial, COUNT(*) FROM answers GROUP BY trial")))


def given(folder: Path) -> dict[tuple[str, int], int]:
    """How often each pair was given to raters, by the video on the left."""
    with closing(sqlite3.connect(folder / "answers.sqlite", isolation_level=None)) as connection:
        query = 'SELECT pair, "left", COUNT(*) FROM trials WHERE kind = \'pair\' GROUP BY pair, "left"'
        return {(pair, left): count for pair, left, count in connection.execute(query)}


def at_once(count: int, work: Callable[[], None]) -> None:
    """The same work in several threads."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kills", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_nothing_that_was_said_to_be_saved_is_lost_when_the_server_is_killed(
    kills: int, tmp_path: Path
) -> None:
    """Killed while answers come in, after a random number of them, however fast the machine is."""
    folder = small_study(tmp_path, SMALL.replaced(per_rater=8, per_pair=1000, repeats=8))
    port, rng, stop = free_port(), random.Random(0), threading.Event()
    clients: list[Client] = []

    def rate() -> None:
        while not stop.is_set():
            client = Client(f"http://127.0.0.1:{port}")
            clients.append(client)
            client.begin()
            while not stop.is_set() and client.answer():
                pass
            client.close()

    threads = [threading.Thread(target=rate) for _ in range(4)]

    def answered() -> int:
        return sum(len(client.saved) for client in clients)

    for number in range(kills):
        with served(folder, port) as (address, process):
            assert address
            if number == 0:
                for thread in threads:
                    thread.start()
            enough = answered() + rng.randint(26, 60)
            assert soon(lambda: answered() >= enough)  # noqa: B023 - called at once
            time.sleep(rng.uniform(0, 0.05))
            process.kill()
    with served(folder, port):
        stop.set()
        for thread in threads:
            thread.join()
    saved = [trial for client in clients for trial in client.saved]
    found = kept(folder)
    assert len(saved) > 100 and len(set(saved)) == len(saved)
    assert all(found[trial] == 3 for trial in saved)
    assert set(found.values()) == {3}  # no page was saved in part


def test_many_raters_at_once_lose_nothing_and_stay_balanced(tmp_path: Path) -> None:
    folder = small_study(tmp_path, SMALL.replaced(per_rater=4, per_pair=10))
    clients: list[Client] = []

    def rate(address: str) -> None:
        client = Client(address)
        clients.append(client)
        client.begin()
        while client.answer(random.choice(["left", "right"])):
            pass
        client.close()

    with served(folder) as (address, _):
        at_once(20, lambda: rate(address))
    saved = [trial for client in clients for trial in client.saved]
    assert len(saved) == 20 * 6 and all(kept(folder)[trial] == 3 for trial in saved)
    shown = given(folder)
    assert len(shown) == 16 and set(shown.values()) == {5}  # 8 pairs x 10 raters, half on each side


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_closes_its_answers(how: signal.Signals, study_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study_folder, tmp_path / "study"))
    with served(folder) as (address, process):
        client = Client(address)
        client.begin()
        assert client.answer()
        client.close()
        process.send_signal(how)
        assert process.wait(60) == 0
    assert not (folder / "answers.sqlite-wal").exists()  # folded into the file when it was closed
    assert list(kept(folder)) == client.saved


def test_a_taken_port_is_told(study_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study_folder, tmp_path / "study"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=f"{port}: cannot listen there"):
            serve(folder, StudyServeOptions(port=port))


def test_a_study_with_a_hole_is_not_served(study_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study_folder, tmp_path / "study"))
    name = read_design(folder).pairs[0].media[1]
    (folder / MEDIA / name).unlink()
    with pytest.raises(DataError, match=name):
        serve(folder, StudyServeOptions(port=0))
    (folder / DESIGN).write_text('{"name": "torn"')
    with pytest.raises(DataError, match="no study"):
        serve(folder, StudyServeOptions(port=0))


def test_a_database_that_is_full_tells_the_rater_and_loses_nothing(
    study_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(study_folder, tmp_path / "study"))
    with served(folder) as (address, _):
        client = Client(address)
        client.begin()
        assert client.answer()
        with closing(sqlite3.connect(folder / "answers.sqlite", isolation_level=None)) as connection:
            refuse = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"  # no write succeeds, as on a full disk
            connection.execute(f"CREATE TRIGGER full BEFORE INSERT ON answers {refuse}")
        _, page = client.ask("GET", "/task")
        form = {"csrf": field_of(page, "csrf"), "trial": field_of(page, "trial"), "alignment": "left"}
        form |= {"quality": "left", "consistency": "left"}
        status, text = client.ask("POST", "/task", form)
        assert status == 503 and "not saved" in text
        with closing(sqlite3.connect(folder / "answers.sqlite", isolation_level=None)) as connection:
            connection.execute("DROP TRIGGER full")
        assert client.ask("POST", "/task", form) == (303, "/task")
        client.close()
    assert list(kept(folder).values()) == [3, 3]


@pytest.mark.slow
def test_fifty_raters_for_a_minute(tmp_path: Path) -> None:
    folder = small_study(tmp_path, SMALL.replaced(per_rater=8, per_pair=100_000), clips=10)
    clients: list[Client] = []
    until = time.monotonic() + 60

    def rate(address: str) -> None:
        while time.monotonic() < until:
            client = Client(address)
            clients.append(client)
            client.begin()
            while time.monotonic() < until and client.answer(random.choice(["left", "right"])):
                pass
            client.close()

    with served(folder) as (address, _):
        at_once(50, lambda: rate(address))
    saved = [trial for client in clients for trial in client.saved]
    times = sorted(second for client in clients for second in client.seconds)
    print(f"{len(saved) / 60:.0f} pages a second, p50 {times[len(times) // 2] * 1000:.0f} ms", end=", ")
    print(f"p99 {times[len(times) * 99 // 100] * 1000:.0f} ms, {len(clients)} raters")
    found = kept(folder)
    assert all(found[trial] == 3 for trial in saved) and len(set(saved)) == len(saved)
    counts = list(given(folder).values())
    assert len(counts) == 40 and max(counts) - min(counts) <= 2
