"""`NAME@STRENGTH:FROM-TO` is read as it is meant, or refused."""

import pytest

from frameweave.errors import InputError
from frameweave.models.loading.strength import Weighted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("owner/name", Weighted("owner/name")),
        ("owner/name@0.7", Weighted("owner/name", 0.7)),
        ("style.safetensors@-1", Weighted("style.safetensors", -1.0)),
        ("a b@.5:0-0.6", Weighted("a b", 0.5, 0.0, 0.6)),
        ("name:0.2-1", Weighted("name", 1.0, 0.2, 1.0)),
        ("me@home/ink@2.safetensors", Weighted("me@home/ink@2.safetensors")),
        ("C:/models/ink.safetensors@1.", Weighted("C:/models/ink.safetensors", 1.0)),
        ("C:\\models\\v1", Weighted("C:\\models\\v1")),
        ("name@0", Weighted("name", 0.0)),
    ],
)
def test_read(text: str, expected: Weighted) -> None:
    assert Weighted.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("name@", "'@'"),
        ("name@0,7", "'@0,7'"),
        ("name@0.7:", "'@0.7:'"),
        ("name@0.7:0.6", "share"),
        ("name@1:2-3", "from 2 to 3"),
        ("name@1:0.6-0.6", "from 0.6 to 0.6"),
        ("name@1:0.6-0.2", "earlier"),
        ("@0.7", "no name"),
        ("", "no name"),
        ("name@1@2", None),
    ],
)
def test_refused(text: str, word: str | None) -> None:
    if word is None:
        assert Weighted.parse(text) == Weighted("name@1", 2.0)
        return
    with pytest.raises(InputError) as error:
        Weighted.parse(text)
    assert word in f"{error.value} {error.value.hint}"


@pytest.mark.parametrize("count", [1, 3, 7, 20])
@pytest.mark.parametrize("share", [(0.0, 1.0), (0.0, 0.6), (0.3, 0.9), (0.5, 0.51)])
def test_steps_are_those_of_the_pipelines(count: int, share: tuple[float, float]) -> None:
    start, end = share
    expected = [i for i in range(count) if not (i / count < start or (i + 1) / count > end)]
    assert list(Weighted("x", 1.0, start, end).steps(count)) == expected
