"""The versions that are allowed: a lowest and a highest for each package, and the tested one lies between."""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TESTED = dict(
    re.findall(r"(?m)^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8").lower())
)


def test_every_package_of_the_base_has_bounds_around_the_tested_version() -> None:
    for line in PROJECT["dependencies"]:
        needed = Requirement(line)
        assert sorted(part.operator for part in needed.specifier) == ["<", ">="], line
        tested = {name.replace("_", "-"): version for name, version in TESTED.items()}[needed.name]
        assert needed.specifier.contains(tested), f"{line}, tested with {tested}"


def test_lowest_versions_are_read_from_the_project() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from lowest import SMOKE, lowest
    finally:
        sys.path.remove(str(ROOT / "tools"))
    assert [name for name in SMOKE if not (ROOT / "tests" / name).is_file()] == []
    lines = lowest()
    assert f"torch=={TESTED['torch']}" in lines
    assert {"transformers==5.6", "peft==0.18", "av==17.1", "scipy==1.15"} <= set(lines)
    assert len(lines) == len(PROJECT["dependencies"]) + len(PROJECT["optional-dependencies"]["report"])
