"""How often something may be asked for."""

import pytest

from frameweave.serving import limits
from frameweave.serving.limits import Limiter


def test_a_limiter_lets_a_burst_through_and_then_as_many_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    limiter = Limiter(burst=3, per_minute=60)
    assert [limiter.allows("a") for _ in range(5)] == [True] * 3 + [False] * 2
    assert limiter.allows("b")
    now[0] = 2.0
    assert [limiter.allows("a") for _ in range(3)] == [True, True, False]
    now[0] = 1000.0
    assert [limiter.allows("a") for _ in range(4)] == [True] * 3 + [False]
