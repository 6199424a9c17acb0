"""The versions that are allowed: a lowest and a highest for each package, and the tested one lies between."""

import re
import tomllib
from pathlib import Path

import pytest
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


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


@pytest.mark.usefixtures("tools")
def test_an_audit_fails_for_known_faults_only() -> None:
    """What pip-audit says, and what comes of it."""
    from audit import verdict

    unknown = "torch  Dependency not found and could not be audited: torch (2.13.0)\n"
    assert verdict(0, "", 3) == (0, "no known faults in 3 pinned packages")
    assert verdict(0, unknown, 3) == (0, "no known faults in 2 pinned packages; nothing is known of 1")
    assert verdict(0, 3 * unknown, 3)[1].startswith("skipped")
    assert verdict(1, "requests.exceptions.ConnectionError: no route", 3)[1].startswith("skipped")
    code, said = verdict(1, "pillow 11.0 CVE-2026-1 11.1", 3)
    assert code == 1 and "CVE-2026-1" in said and "constraints.txt" in said


@pytest.mark.usefixtures("tools")
def test_lowest_versions_are_read_from_the_project() -> None:
    from lowest import SMOKE, lowest

    assert [name for name in SMOKE if not (ROOT / "tests" / name).is_file()] == []
    lines = lowest()
    assert f"torch=={TESTED['torch']}" in lines
    assert {"transformers==5.6", "peft==0.18", "av==17.1", "scipy==1.15"} <= set(lines)
    assert len(lines) == len(PROJECT["dependencies"]) + len(PROJECT["optional-dependencies"]["report"])
