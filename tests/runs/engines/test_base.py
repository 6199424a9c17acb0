"""The options choose the engine; nonsense is refused; nothing heavy is imported."""

import ast
import inspect
import subprocess
import sys
from dataclasses import fields

import pytest

from frameweave.errors import InputError
from frameweave.runs.engines import Engine, EngineOptions, engine_of, options
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
        (EngineOptions(workers=-1), "-1 workers, expected at least 0; change --workers"),
        (EngineOptions(workers=0, ray=True), "0 workers, expected at least 1; change --workers"),
        (EngineOptions(timeout=0), "0 seconds, expected more than 0; change --timeout, or leave it out"),
        (EngineOptions(memory_gb=-2), "-2 GB of memory, expected more than 0"),
        (EngineOptions(memory_gb=float("nan")), "nan GB of memory, expected more than 0"),
        (EngineOptions(retries=-1), "-1 retries, expected 0 or more"),
    ],
)
def test_nonsense_is_refused(chosen: EngineOptions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        engine_of(chosen)


def test_every_option_has_a_line_of_help() -> None:
    (kind,) = [node for node in ast.parse(inspect.getsource(options)).body if isinstance(node, ast.ClassDef)]
    lines = [ast.unparse(node) for node in kind.body[1:]]
    names = [line.split(":")[0] for line in lines[::2]]
    assert names == [field.name for field in fields(EngineOptions)]
    assert all(line[0] in "\"'" for line in lines[1::2]) and len(lines) == 2 * len(names)


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'torch', 'numpy', 'ray', 'av'}"
    code = f"import sys, frameweave.runs.engines; print(*sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
