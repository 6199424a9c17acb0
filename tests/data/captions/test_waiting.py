"""How long to wait: what endpoints say, and what they do not."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.captions.waiting import Gate, asked_wait

NOW = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, 30),
        ({"retry-after": "Wed, 21 Oct 2015 07:27:00 GMT"}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": ""}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m1.5s"}, 361.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "250ms"}, 0.25),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h"}, 3600),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12"}, 12),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12 apples"}, 0),
        ({"x-ratelimit-remaining-tokens": "0"}, 0),
        ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "1h"}, 0),
        ({"retry-after": "2", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "3s"}, 3),
    ],
)
def test_what_the_endpoint_asks_for(headers: dict[str, str], seconds: float) -> None:
    assert asked_wait(headers, now=NOW) == pytest.approx(seconds)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"]),
        st.text(max_size=30) | st.from_regex(r"[0-9.eE+-]{1,400}(ms|s|m)?", fullmatch=True),
    )
)
def test_any_header_is_a_time_of_at_least_0(headers: dict[str, str]) -> None:
    assert asked_wait({"x-ratelimit-remaining-tokens": "0", **headers}, now=NOW) >= 0


def test_the_gate_holds_all_back_until_the_longest_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that only waiting moves."""
    now, sleep = 100.0, asyncio.sleep

    async def sleeping(seconds: float) -> None:
        nonlocal now
        until = now + seconds
        await sleep(0)  # the others go to sleep too
        now = max(now, until)

    async def passing() -> list[float]:
        gate = Gate()
        await gate.passed()
        assert now == 100.0
        gate.shut(0.2)
        gate.shut(0.05)

        async def one() -> float:
            await gate.passed()
            return now - 100.0

        return list(await asyncio.gather(one(), one()))

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(asyncio, "sleep", sleeping)
    assert asyncio.run(passing()) == pytest.approx([0.2, 0.2])
