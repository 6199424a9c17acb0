"""Signatures, limits and headers."""

import stat
from pathlib import Path

import pytest

from frameweave.study.server import security
from frameweave.study.server.security import Limiter, Signer


def test_a_signature_holds_for_its_text_its_purpose_and_its_secret(tmp_path: Path) -> None:
    signer = Signer.kept_in(tmp_path / "secret")
    signature = signer.sign("form", "abc")
    assert signer.is_signed("form", "abc", signature)
    assert not signer.is_signed("admin", "abc", signature)
    assert not signer.is_signed("form", "abd", signature)
    assert not signer.is_signed("form", "abc", "ünsinn")
    assert Signer.kept_in(tmp_path / "secret").sign("form", "abc") == signature  # after a restart
    assert Signer.kept_in(tmp_path / "other").sign("form", "abc") != signature
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_limiter_lets_a_burst_through_and_then_as_many_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(security.time, "monotonic", lambda: now[0])
    limiter = Limiter(burst=3, per_minute=60)
    assert [limiter.allows("a") for _ in range(5)] == [True] * 3 + [False] * 2
    assert limiter.allows("b")
    now[0] = 2.0
    assert [limiter.allows("a") for _ in range(3)] == [True, True, False]
    now[0] = 1000.0
    assert [limiter.allows("a") for _ in range(4)] == [True] * 3 + [False]


@pytest.mark.parametrize("cut", [b"", b"half"])
def test_a_secret_that_was_cut_is_made_anew(cut: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(cut)
    assert len(Signer.kept_in(tmp_path / "secret").secret) == 32
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0 and len(list(tmp_path.iterdir())) == 1
