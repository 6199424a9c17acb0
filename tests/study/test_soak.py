"""Five hundred raters, and a server that is killed again and again under them."""

import random
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import sqlalchemy as sa

from frameweave.study.server.storage import ANSWERS
from processes import free_port, soon
from studies import SMALL, served, small_study
from study_client import CRITERIA, Client

RATERS, AT_ONCE = 500, 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_that_was_said_to_be_saved_is_lost(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = small_study(tmp_path, SMALL.replaced(per_rater=4, per_pair=1000))
    database = request.getfixturevalue("postgres") if kind == "postgres" else ""
    port, rng, kills = free_port(), random.Random(0), 0
    clients: list[Client] = []

    def rate() -> None:
        client = Client(f"http://127.0.0.1:{port}")
        clients.append(client)
        client.begin()
        while client.answer():
            pass
        client.close()

    def answered() -> int:
        return sum(len(client.saved) for client in clients)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        working = [pool.submit(rate) for _ in range(RATERS)]
        while not all(one.done() for one in working):
            with served(folder, port, database) as (address, process):
                assert address
                enough = answered() + rng.randint(20, 200)
                assert soon(lambda: answered() >= enough or all(one.done() for one in working), 300)  # noqa: B023 - called at once
                time.sleep(rng.uniform(0, 0.05))
                kills += not all(one.done() for one in working)
                process.kill()
        done, _ = wait(working)
    assert [one.exception() for one in done] == [None] * RATERS
    engine = sa.create_engine(database or f"sqlite:///{folder / 'answers.sqlite'}")
    with engine.connect() as connection:
        rows = sa.select(ANSWERS.c.trial, sa.func.count()).group_by(ANSWERS.c.trial)
        found = dict(connection.execute(rows).all())
    engine.dispose()
    saved = [trial for client in clients for trial in client.saved]
    lost = sum(found.get(trial) != len(CRITERIA) for trial in saved)  # also what was saved in part
    print(f"{kind}: {RATERS} raters, {kills} kills of the server, {len(saved)} pages, {lost} lost")
    assert kills >= 10 and lost == 0 and set(found) == set(saved) and len(set(saved)) == len(saved)
