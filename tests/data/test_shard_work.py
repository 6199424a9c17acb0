"""What a guarded decoder raises costs its clip, whatever it is."""

import pytest

from frameweave.data import shard_work
from frameweave.data.options import GroupSettings
from frameweave.errors import DataError, InputError
from frameweave.runs.engines import Stopped


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (SyntaxError("broken PNG file"), "unreadable"),
        (KeyError("a defect of ours"), "unreadable"),
        (Stopped("too slow", kind="timeout"), "timeout"),
    ],
)
def test_all_errors_are_a_reason(raised: Exception, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _error_of(raised, monkeypatch)
    assert isinstance(found, DataError) and found.reason == reason
    assert "clip.mp4: " in str(found) and str(raised.args[0]) in str(found)


def test_what_is_explained_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    error = InputError("no video", reason="not_a_video")
    assert _error_of(error, monkeypatch) is error


def _error_of(raised: Exception, monkeypatch: pytest.MonkeyPatch) -> BaseException:
    class Decoder:
        def __init__(self, *_: object, **__: object) -> None: ...

        def call(self, *_: object) -> None:
            raise raised

    monkeypatch.setattr(shard_work, "Guarded", Decoder)
    guarded = shard_work._guarded.__wrapped__(1.0, None)
    with pytest.raises(Exception) as found:
        guarded("clip.mp4", "clip", GroupSettings())
    return found.value
