"""The documentation's Python runs, its links lead somewhere, its commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference/commands.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
PAGES.remove(REFERENCE)  # it is made from the program


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_python_snippets(page: Path, tmp_path: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_flags_that_are_named_exist(page: Path) -> None:
    known = (ROOT / "tests/cli/flags.txt").read_text(encoding="utf-8").splitlines()
    # "data show" before "data"
    commands = sorted({line.rpartition(" ")[0] for line in known}, key=len, reverse=True)
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^frameweave (.+)$", text, re.M):
        command = next(command for command in commands if f"{line} ".startswith(f"{command} "))
        for flag in re.findall(r"--[a-z-]+", line):
            # rerun takes the flags of the command that it repeats
            named = commands if command == "rerun" else [command]
            assert any(f"{one} {flag}" in known for one in named), f"frameweave {command} {flag}"


def test_the_reference_is_what_the_program_says() -> None:
    """`make reference` writes it anew."""
    code = "import sys; sys.path.insert(0, 'tools'); import reference; print(reference.page(), end='')"
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert REFERENCE.read_text(encoding="utf-8") == made.stdout


def test_both_commands_stand_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text and "make test" in text
