"""Clips in, prompts out, in order; the rules fill what the model leaves."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from caption_server import Asked, CaptionServer, Reaction, completion, edits, failure, good
from frameweave.data.captions.asker import Asker
from frameweave.data.captions.cache import Cache
from frameweave.data.captions.edit_prompt import KINDS, RULES
from frameweave.data.captions.endpoint import Endpoint
from frameweave.data.captions.model import Model, Patience
from frameweave.data.captions.rewriting import by_model, by_rules
from frameweave.data.captions.rules import Rules
from frameweave.data.captions.spending import Spending
from frameweave.data.record import ClipRecord
from frameweave.errors import InputError

QUICK = Patience(first_wait=0.01, attempts=2, timeout=5.0, concurrency=4)


def clips(count: int) -> list[ClipRecord]:
    return [
        ClipRecord(id=f"v{n}", path="x", captions=(f"a red car {n}", "a man sings")) for n in range(count)
    ]


@pytest.fixture
def server() -> Iterator[CaptionServer]:
    with CaptionServer().running() as running:
        yield running


def asker(server: CaptionServer, folder: Path) -> Asker:
    return Asker(
        Model.connected(Endpoint.from_environment(server.environment), QUICK, Spending()), Cache(folder)
    )


def test_rules_alone() -> None:
    records = [*clips(2), ClipRecord(id="mute", path="x")]
    made = list(by_rules(records, Rules()))
    assert [(clip.id, clip.fallback) for clip in made] == [("v0", ""), ("v1", ""), ("mute", "no_caption")]
    assert made[0].prompts == Rules().prompts(records[0].captions, clip="v0")
    assert made[2].prompts == ()


def test_the_order_is_the_sources_however_long_answers_take(server: CaptionServer, tmp_path: Path) -> None:
    server.script = lambda asked: replace(
        good(asked), delay=0.2 if asked.captions[0].endswith(("0", "5")) else 0
    )
    made = list(by_model(clips(40), asker(server, tmp_path), Rules()))
    assert [clip.id for clip in made] == [f"v{n}" for n in range(40)]
    assert all(clip.prompts[0].prompt == f"a red car {n} with a robot" for n, clip in enumerate(made))
    assert [asked.captions[1] for asked in server.asked] == ["a man sings"] * 40


def test_the_rules_fill_what_is_missing(server: CaptionServer, tmp_path: Path) -> None:
    def half(asked: Asked) -> Reaction:
        return completion(json.dumps({"edits": edits(asked)["edits"][::2]}))

    server.script = half
    [clip] = by_model(clips(1), asker(server, tmp_path), Rules())
    assert [edit.kind for edit in clip.prompts] == list(KINDS)
    assert [edit.by == RULES for edit in clip.prompts] == [False, True, False, True]
    assert clip.fallback == ""


def test_what_is_refused_is_made_by_the_rules_and_says_so(server: CaptionServer, tmp_path: Path) -> None:
    def picky(asked: Asked) -> Reaction:
        return completion(None, refusal="no") if asked.captions[0].endswith("1") else good(asked)

    server.script = picky
    records = [*clips(3), ClipRecord(id="mute", path="x")]
    made = list(by_model(records, asker(server, tmp_path), Rules()))
    assert [clip.fallback for clip in made] == ["", "refused", "", "no_caption"]
    assert made[1].prompts == Rules().prompts(records[1].captions, clip="v1")


def test_only_so_many_clips_are_read_ahead(server: CaptionServer, tmp_path: Path) -> None:
    read = 0

    def counted() -> Iterator[ClipRecord]:
        nonlocal read
        for record in clips(200):
            read += 1
            yield record

    with closing(by_model(counted(), asker(server, tmp_path), Rules())) as made:
        next(made)
        assert read == 16
    assert len(server.asked) < 200


def test_an_error_ends_at_once(server: CaptionServer, tmp_path: Path) -> None:
    server.script = lambda asked: (
        failure(401) if asked.captions[0].endswith("0") else replace(good(asked), delay=15)
    )
    start = time.monotonic()
    with pytest.raises(InputError, match="refuses the key"):
        list(by_model(clips(2), asker(server, tmp_path), Rules()))
    assert time.monotonic() - start < 14


def test_it_works_where_a_loop_is_running_already(server: CaptionServer, tmp_path: Path) -> None:
    """As in a notebook."""

    async def cell() -> int:
        return len(list(by_model(clips(3), asker(server, tmp_path), Rules())))

    assert asyncio.run(cell()) == 3
