"""The same answers in PostgreSQL, with raters who begin all at once."""

import threading
from collections import Counter
from pathlib import Path

from frameweave.study.folder import read_design
from frameweave.study.server.storage import Store


def test_raters_who_begin_at_once_get_balanced_pairs_and_every_answer_is_kept(
    postgres: str, study_folder: Path
) -> None:
    design = read_design(study_folder)
    store = Store(postgres, design)

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
    again = Store(postgres, design)
    assert len(again.answers()) == len(rows)
    again.close()
