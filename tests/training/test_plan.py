"""Which number type `auto` stands for, and what runs in it."""

import pytest
import torch

from frameweave.training.plan import autocast, resolved

CPU = torch.device("cpu")


@pytest.mark.parametrize(("amx", "precision"), [(True, "bf16"), (False, "fp32")])
def test_auto_on_a_cpu_follows_its_matrix_units(
    monkeypatch: pytest.MonkeyPatch, amx: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx})
    assert resolved("auto", CPU) == precision


@pytest.mark.parametrize("half", ["bf16", "fp16"])
def test_auto_on_a_gpu_is_what_it_computes_in(monkeypatch: pytest.MonkeyPatch, half: str) -> None:
    monkeypatch.setattr("frameweave.training.plan.half_of", lambda _: half)
    assert resolved("auto", torch.device("cuda")) == half


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)]
)
def test_products_are_of_the_chosen_type(precision: str, dtype: torch.dtype) -> None:
    x = torch.ones(2, 2)
    with autocast(precision, CPU):  # pyright: ignore[reportArgumentType]
        assert (x @ x).dtype == dtype
