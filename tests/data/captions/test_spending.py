"""Estimates and budgets."""

import json
from contextlib import ExitStack

import pytest

from frameweave.data.captions.edit_prompt import KINDS
from frameweave.data.captions.question import INSTRUCTIONS, estimated, question
from frameweave.data.captions.spending import BudgetSpent, Prices, Spending, Tokens


def test_a_token_for_four_bytes() -> None:
    sent = len(json.dumps([INSTRUCTIONS, question(["a car"], KINDS)]).encode()) / 4
    assert estimated(["a car"], KINDS).read == pytest.approx(sent, rel=0.05)
    more = estimated(["a car", "x" * 300], KINDS).read - estimated(["a car", "x"], KINDS).read
    assert more == pytest.approx(299 / 4, abs=1)
    wide = estimated(["é" * 300], KINDS).read - estimated(["e" * 300], KINDS).read
    assert wide == 75
    assert estimated(["a car"], KINDS).written == 4 * estimated(["a car"], KINDS[:1]).written


def test_cost_is_what_was_spent_times_the_prices() -> None:
    spending = Spending(prices=Prices(read=2.0, written=8.0))
    spending.pay(Tokens(read=1000, written=100))
    spending.pay(Tokens(read=500, written=0))
    assert spending.cost == pytest.approx((1500 * 2 + 100 * 8) / 1e6)
    assert Spending().cost is None


def test_what_is_under_way_counts_until_it_is_paid() -> None:
    spending = Spending(most_tokens=250)
    each = Tokens(read=90, written=10)
    with ExitStack() as under_way:
        for _ in range(2):
            under_way.enter_context(spending.promised(each))
        with pytest.raises(BudgetSpent):
            under_way.enter_context(spending.promised(each))
    with spending.promised(each):
        spending.pay(Tokens(read=140, written=10))  # more than was thought
    with spending.promised(each):
        pass
    spending.pay(Tokens(read=1))
    with pytest.raises(BudgetSpent), spending.promised(each):
        pass


def test_a_promise_ends_with_an_exception_too() -> None:
    spending = Spending(most_tokens=100)
    with pytest.raises(ValueError, match="broken"), spending.promised(Tokens(read=100)):
        raise ValueError("broken")
    with spending.promised(Tokens(read=100)):
        pass


def test_a_budget_of_money() -> None:
    spending = Spending(prices=Prices(read=1.0, written=10.0), most_cost=1.0)
    with spending.promised(Tokens(written=100_000)):
        pass
    with pytest.raises(BudgetSpent), spending.promised(Tokens(written=100_001)):
        pass
    with Spending(most_cost=0.0).promised(Tokens(written=10**9)):
        pass
