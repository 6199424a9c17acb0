"""Signatures."""

import stat
from pathlib import Path

import pytest

from frameweave.study.server.security import Signer


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


@pytest.mark.parametrize("cut", [b"", b"half"])
def test_a_secret_that_was_cut_is_made_anew(cut: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(cut)
    assert len(Signer.kept_in(tmp_path / "secret").secret) == 32
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0 and len(list(tmp_path.iterdir())) == 1
