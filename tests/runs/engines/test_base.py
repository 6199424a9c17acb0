"""The options choose the engine; nonsense is refused; nothing heavy is imported."""

import subprocess
import sys
from typing import Any

import pytest

from frameweave.errors import InputError
from frameweave.runs.engines import Engine, EngineOptions, engine_of
from frameweave.runs.engines.inline import Inline
from frameweave.runs.engines.local import LocalPool, processors
from frameweave.runs.engines.ray_core import RayCore


@pytest.mark.parametrize(
    ("chosen", "engine"),
    [
        (EngineOptions(), LocalPool(workers=processors())),
        (EngineOptions(workers=0, timeout=5), Inline()),
        (
            EngineOptions(workers=3, timeout=5, memory_gb=0.5, retries=0),
            LocalPool(workers=3, timeout=5, memory=500_000_000, retries=0),
        ),
        (EngineOptions(ray=True), RayCore()),
        (
            EngineOptions(ray_address="auto", workers=3, timeout=5, memory_gb=2, retries=2),
            RayCore(address="auto", workers=3, timeout=5, memory=2_000_000_000, retries=2),
        ),
    ],
)
def test_options_choose_the_engine(chosen: EngineOptions, engine: Engine) -> None:
    found = engine_of(chosen)
    assert isinstance(found, Engine)
    assert found == engine


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"workers": -1}, "workers is -1, expected at least 0; leave it out"),
        ({"workers": 0, "ray": True}, "workers is 0, expected at least 1 with Ray; leave --workers out"),
        ({"timeout": 0}, "timeout is 0, expected more than 0; leave it out for the default"),
        ({"memory_gb": -2}, "memory_gb is -2, expected more than 0"),
        ({"memory_gb": float("nan")}, "memory_gb is nan, expected a finite number"),
        ({"retries": -1}, "retries is -1, expected at least 0; leave it out for the default, 1"),
    ],
)
def test_nonsense_is_refused(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        engine_of(EngineOptions(**chosen))


def test_every_option_has_a_line_of_help() -> None:
    assert all(field.description for field in EngineOptions.model_fields.values())


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'torch', 'numpy', 'ray', 'av'}"
    code = f"import sys, frameweave.runs.engines; print(*sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
