"""The public face is sorted, complete, and everything in it is documented."""

from frameweave import api


def test_sorted_and_there() -> None:
    assert api.__all__ == sorted(api.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(hasattr(api, name) for name in api.__all__)


def test_everything_has_a_docstring() -> None:
    for name in api.__all__:
        if name != "SILENT":
            assert getattr(api, name).__doc__, name
