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


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "fp16")])
def test_auto_on_a_gpu_is_half_of_some_kind(
    monkeypatch: pytest.MonkeyPatch, native: bool, precision: str
) -> None:
    def supported(*, including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert resolved("auto", torch.device("cuda")) == precision


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)]
)
def test_products_are_of_the_chosen_type(precision: str, dtype: torch.dtype) -> None:
    x = torch.ones(2, 2)
    with autocast(precision, CPU):  # pyright: ignore[reportArgumentType]
        assert (x @ x).dtype == dtype
