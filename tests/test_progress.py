"""Several loops as one bar."""

from collections.abc import Iterable, Iterator

import pytest

from frameweave.progress import Job


class Bar:
    """Keeps how far it is, and whether it ended."""

    def __init__(self) -> None:
        self.done, self.ended, self.notes = -1, False, list[str]()

    def track(self, items: Iterable[int], what: str, total: int | None = None) -> Iterator[int]:
        assert (what, total) == ("percent of the work", 100)
        try:
            for item in items:
                self.done += 1
                yield item
            self.done += 1
        finally:
            self.ended = True

    def note(self, text: str) -> None:
        self.notes.append(text)

    def measure(self, **values: float) -> None:
        raise AssertionError


PARTS = [("inverting", 2.0), ("sampling", 6.0), ("frames written", 2.0)]


def test_each_loop_moves_the_bar_by_its_share() -> None:
    bar, seen = Bar(), list[int]()
    with Job(bar, "percent of the work") as job:
        job.begin(PARTS)
        for what, count in (("inverting", 4), ("sampling", 3), ("frames written", 2)):
            for _ in job.track(range(count), what):
                seen.append(bar.done)
        job.note("hello")
    assert seen == [0, 5, 10, 15, 20, 40, 60, 80, 90]
    assert (bar.done, bar.ended, bar.notes) == (100, True, ["hello"])


def test_a_loop_that_is_left_out_is_jumped_over() -> None:
    bar = Bar()
    with Job(bar, "percent of the work") as job:
        job.begin(PARTS)
        assert [bar.done for _ in job.track(range(2), "sampling")] == [0, 50]
        assert bar.done == 80


def test_a_loop_that_was_not_planned_passes_everything_and_moves_nothing() -> None:
    bar = Bar()
    with Job(bar, "percent of the work") as job:
        job.begin(PARTS)
        list(job.track(range(2), "inverting"))
        assert list(job.track(iter("abc"), "looking")) == ["a", "b", "c"]
        assert bar.done == 20
        list(job.track(iter("abc"), "sampling"))  # of unknown length
        assert bar.done == 80


def test_more_than_was_told_does_not_go_beyond_the_loop() -> None:
    bar = Bar()
    with Job(bar, "percent of the work") as job:
        job.begin(PARTS)
        list(job.track(range(50), "inverting", 2))
        assert bar.done == 20


def test_the_bar_ends_with_an_error() -> None:
    bar = Bar()
    with pytest.raises(ValueError, match="broken"), Job(bar, "percent of the work") as job:
        job.begin(PARTS)
        list(job.track(range(2), "inverting"))
        raise ValueError("broken")
    assert (bar.ended, bar.done) == (True, 20)


def test_without_parts_it_is_a_bar_that_fills_at_the_end() -> None:
    bar = Bar()
    with Job(bar, "percent of the work") as job:
        job.begin([])
        list(job.track(range(2), "inverting"))
        assert bar.done == 0
    assert bar.done == 100


def test_what_comes_before_is_shown_as_it_is() -> None:
    seen: list[str] = []

    class Told(Bar):
        def track(self, items: Iterable[int], what: str, total: int | None = None) -> Iterator[int]:
            seen.append(what)
            yield from items

    with Job(Told(), "percent of the work") as job:
        assert list(job.track([1, 2], "looking")) == [1, 2]
        job.begin(PARTS)
        assert list(job.track([3], "sampling")) == [3]
    assert seen == ["looking", "percent of the work"]
    with Job(Told(), "percent of the work"):
        pass
    assert len(seen) == 2
