"""Docstrings of fields."""

from dataclasses import dataclass

from frameweave.cli.field_docs import field_docs


@dataclass(frozen=True)
class Settings:
    """Not a field's."""

    steps: int = 3
    """How many,
    and no more."""
    silent: bool = False
    last: str = ""
    """The last one."""

    def method(self) -> None:
        """Not a field's either."""


def test_each_field_has_the_text_below_it() -> None:
    assert field_docs(Settings) == {"steps": "How many, and no more.", "last": "The last one."}
