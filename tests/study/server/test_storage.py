"""The database of a study: what is saved stays, once; quotas, forged tokens, changed designs."""

import sqlite3
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from frameweave.errors import InputError, RunError
from frameweave.study.design import Design, Pair
from frameweave.study.server.storage import NotYours, Store, StudyFull

ALL = {"alignment": "left", "quality": "right", "consistency": "left"}


def design(pairs: int = 6, **more: int) -> Design:
    def pair(number: int, better: int | None = None) -> Pair:
        return Pair(
            id=f"p{number}", editor=f"e{number % 3}", clip="c", prompt="x", source="s",
            systems=("without", "with"), media=("a", "b"), better=better,
        )  # fmt: skip

    values = {"per_rater": 3, "per_pair": 2, "obvious_per_rater": 1, "repeats_per_rater": 0} | more
    return Design(name="x", seed=1, pairs=tuple(map(pair, range(pairs))), obvious=(pair(90, 1),), **values)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/answers.sqlite", design())


def finish(store: Store, rater: int) -> int:
    pages = 0
    while given := store.upcoming(rater):
        assert store.answer(rater, given[0].id, ALL, milliseconds=1500, loops=2)  # pyright: ignore
        pages += 1
    return pages


def test_a_rater_goes_through_all_pages_and_answers_are_kept(store: Store, tmp_path: Path) -> None:
    rater = store.rater(store.enrol("Firefox"))
    assert rater == 0 and store.position(0) == (0, 4)
    assert finish(store, 0) == 4 and store.position(0) == (4, 4)
    store.close()
    again = Store(f"sqlite:///{tmp_path}/answers.sqlite", design())
    rows = again.answers()
    assert len(rows) == 12 and Counter(row.kind for row in rows) == {"pair": 9, "obvious": 3}
    assert {(row.criterion, row.choice) for row in rows} == set(ALL.items())
    assert {row.milliseconds for row in rows} == {1500}


def test_the_first_answer_stands_and_a_second_is_no_error(store: Store) -> None:
    rater = store.rater(store.enrol())
    assert rater is not None
    (given,) = store.upcoming(rater)
    assert store.answer(rater, given.id, ALL)  # pyright: ignore
    assert not store.answer(rater, given.id, dict.fromkeys(ALL, "right"))  # pyright: ignore
    assert [row.choice for row in store.answers()] == list(ALL.values())


def test_the_same_page_from_twenty_threads_is_one_row(store: Store) -> None:
    rater = store.rater(store.enrol())
    assert rater is not None
    (given,) = store.upcoming(rater)
    new: list[bool] = []
    threads = [
        threading.Thread(target=lambda: new.append(store.answer(rater, given.id, ALL)))  # pyright: ignore
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [False] * 19 + [True] and len(store.answers()) == 3


def test_other_peoples_pages_and_later_ones_are_refused(store: Store) -> None:
    first, second = (store.rater(store.enrol()) for _ in range(2))
    assert first is not None and second is not None
    theirs = store.upcoming(second)[0].id
    later = store.upcoming(first, 2)[1].id
    for trial in (theirs, later, "nonsense"):
        with pytest.raises(NotYours):
            store.answer(first, trial, ALL)  # pyright: ignore
    assert store.answers() == [] and store.rater("forged") is None


@pytest.mark.parametrize(
    "choices", [{"alignment": "left"}, {**ALL, "quality": "none"}, {**ALL, "taste": "left"}]
)
def test_missing_and_unknown_answers_are_refused(store: Store, choices: dict[str, str]) -> None:
    rater = store.rater(store.enrol())
    assert rater is not None
    with pytest.raises(InputError):
        store.answer(rater, store.upcoming(rater)[0].id, choices)  # pyright: ignore
    assert store.answers() == []


def test_enrolment_ends_when_every_pair_has_enough_and_balances_all_the_way(store: Store) -> None:
    for _ in range(4):  # 6 pairs x 2 raters / 3 pairs each
        rater = store.rater(store.enrol())
        assert rater is not None
        finish(store, rater)
    with pytest.raises(StudyFull):
        store.enrol()
    counted = [row for row in store.answers() if row.kind == "pair" and row.criterion == "quality"]
    assert set(Counter(row.pair for row in counted).values()) == {2}
    assert {row.pair: 0 for row in counted}.keys() == {f"p{n}" for n in range(6)}
    for number in range(6):
        assert sum(row.left for row in counted if row.pair == f"p{number}") == 1


def test_pairs_of_raters_who_left_go_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from frameweave.study.server import storage

    for _ in range(4):
        store.enrol()  # nobody answers
    with pytest.raises(StudyFull):
        store.enrol()
    now = time.time()
    monkeypatch.setattr(storage.time, "time", lambda: now + 3 * 3600)
    assert store.rater(store.enrol()) == 4


def test_a_changed_design_is_refused(store: Store, tmp_path: Path) -> None:
    store.close()
    with pytest.raises(RunError, match="changed"):
        Store(f"sqlite:///{tmp_path}/answers.sqlite", design().replaced(per_rater=4))


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all/x.sqlite", "nonsense", "oracle://x/y"])
def test_a_database_that_cannot_be_had(url: str) -> None:
    with pytest.raises((RunError, InputError)):
        Store(url, design())


def test_a_rater_can_be_forgotten(store: Store) -> None:
    rater = store.rater(store.enrol())
    assert rater is not None
    finish(store, rater)
    store.forget(rater)
    assert store.answers() == [] and store.raters() == 0


def test_a_forgotten_raters_number_is_not_given_again(store: Store, tmp_path: Path) -> None:
    first, second = (store.rater(store.enrol()) for _ in range(2))
    assert (first, second) == (0, 1)
    store.forget(1)
    store.forget(0)
    store.close()
    again = Store(f"sqlite:///{tmp_path}/answers.sqlite", design())
    assert again.id == store.id
    assert [again.rater(again.enrol()) for _ in range(2)] == [2, 3]


def test_numbers_go_on_in_a_database_from_before_they_were_kept(store: Store, tmp_path: Path) -> None:
    for _ in range(2):
        store.enrol()
    store.close()
    with closing(sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None)) as connection:
        connection.execute("DROP TABLE numbers")
    again = Store(f"sqlite:///{tmp_path}/answers.sqlite", design())
    assert again.rater(again.enrol()) == 2


def test_databases_of_one_study_are_told_apart(store: Store, tmp_path: Path) -> None:
    assert Store(f"sqlite:///{tmp_path}/other.sqlite", design()).id != store.id


def test_raters_who_will_be_left_out_fill_no_place(store: Store) -> None:
    """They answered before the videos were seen once."""
    for loops in (0, 0, 2, 2):
        rater = store.rater(store.enrol())
        assert rater is not None
        while given := store.upcoming(rater):
            store.answer(rater, given[0].id, ALL, loops=loops)  # pyright: ignore
    for _ in range(2):
        rater = store.rater(store.enrol())
        assert rater is not None
        finish(store, rater)
    with pytest.raises(StudyFull):
        store.enrol()
