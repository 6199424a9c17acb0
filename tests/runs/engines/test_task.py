"""Names that travel, and what failures say."""

import json
import pickle
from contextlib import nullcontext
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_tasks import digest
from frameweave.errors import DataError, InputError, OutOfMemory
from frameweave.progress import SILENT
from frameweave.runs.engines import Stopped
from frameweave.runs.engines.flow import outcomes_of, tasks_of
from frameweave.runs.engines.inline import _Here
from frameweave.runs.engines.task import Failure, Item, name_of, plain


class Holder:
    @staticmethod
    def method(item: Item) -> Item:
        return item


def test_names_of_functions() -> None:
    assert name_of(digest) == "engine_tasks:digest"
    assert name_of(json.dumps) == "json:dumps"


def test_functions_without_a_name_are_refused() -> None:
    def inner(item: Item) -> Item:
        return item

    in_script = type(digest)(digest.__code__, {}, "digest")
    in_script.__module__ = "__main__"
    for function in (inner, lambda item: item, partial(digest), in_script):
        with pytest.raises(InputError, match="expected a function at the top of a module"):
            name_of(function)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("wrong"), "raised", "ValueError: wrong"),
        (KeyError(), "raised", "KeyError"),
        (DataError("a.json:3: torn", hint="mend it"), "raised", "a.json:3: torn; mend it"),
        (MemoryError(), "memory", "MemoryError"),
        (OutOfMemory("no room"), "memory", "no room"),
        (Stopped("too slow", kind="timeout"), "timeout", "too slow"),
        (ValueError("x" * 10_000), "raised", "ValueError: " + "x" * (4_000 - len("ValueError: "))),
    ],
)
def test_failures(error: Exception, kind: str, message: str) -> None:
    failure = Failure.of(error)
    assert (failure.kind, failure.message) == (kind, message)
    assert len(failure.trace) <= 4_000


def test_what_stopped_a_process_survives_a_journey() -> None:
    error = pickle.loads(pickle.dumps(Stopped("gone", kind="memory", hint="allow more")))
    assert (type(error), error.kind, str(error)) == (Stopped, "memory", "gone; allow more")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None, derandomize=True)
@given(_JSON)
def test_json_stays_what_it_is(value: object) -> None:
    assert plain(value) == value


def test_paths_that_are_not_unicode_survive() -> None:
    name = b"caf\xe9.mp4".decode(errors="surrogateescape")
    assert [task.item for task in tasks_of([name])] == [name]


def test_only_what_took_a_process_down_is_tried_again() -> None:
    for error, attempts in ((Stopped("died"), 3), (Stopped("slow", kind="timeout"), 1), (ValueError(), 1)):
        calls: list[Item] = []

        def fails(item: Item, error: Exception = error, calls: list[Item] = calls) -> None:
            calls.append(item)
            raise error

        crew = nullcontext(_Here(fails))
        (outcome,) = outcomes_of(crew, ["a"], retries=2, what="items", progress=SILENT)
        assert (outcome.position, outcome.attempts, len(calls)) == (0, attempts, attempts)
        assert outcome.failure == Failure.of(error)
