"""Tokens and money: what asking will take, what it took, and the point at which it stops."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Of a question and its answer."""

    read: int = 0
    """By the model."""
    written: int = 0
    """By the model."""

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(read=self.read + other.read, written=self.written + other.written)

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(read=self.read - other.read, written=self.written - other.written)

    @property
    def total(self) -> int:
        return self.read + self.written


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Money for a million tokens, in any currency."""

    read: float
    written: float

    def of(self, tokens: Tokens) -> float:
        """
        >>> Prices(read=1.0, written=4.0).of(Tokens(read=500_000, written=250_000))
        1.5
        """
        return (tokens.read * self.read + tokens.written * self.written) / 1e6


class BudgetSpent(Exception):
    """The next question would go beyond the budget."""


class Spending:
    """What a run has spent, and whether it may go on. For one thread."""

    def __init__(
        self, *, prices: Prices | None = None, most_tokens: int | None = None, most_cost: float | None = None
    ) -> None:
        """`most_cost` acts only where there are prices."""
        self.prices, self.most_tokens, self.most_cost = prices, most_tokens, most_cost
        self.spent = Tokens()
        self._promised = Tokens()

    @property
    def cost(self) -> float | None:
        """None where prices are unknown."""
        return None if self.prices is None else self.prices.of(self.spent)

    @contextmanager
    def promised(self, tokens: Tokens) -> Generator[None, None, None]:
        """While a question is under way its estimate counts as spent. Raises `BudgetSpent`."""
        then = self.spent + self._promised + tokens
        if self.most_tokens is not None and then.total > self.most_tokens:
            raise BudgetSpent
        if self.most_cost is not None and self.prices is not None and self.prices.of(then) > self.most_cost:
            raise BudgetSpent
        self._promised += tokens
        try:
            yield
        finally:
            self._promised -= tokens

    def pay(self, tokens: Tokens) -> None:
        """Count what an answer took."""
        self.spent += tokens
