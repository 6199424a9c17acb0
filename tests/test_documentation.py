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
def test_files_that_are_named_exist(page: Path) -> None:
    """Of the package or the tests, with their folder; decisions name what was there when they were made."""
    if page.parent.name == "decisions":
        return
    for name in re.findall(r"`([\w./-]+/[\w.-]+\.py)(?:::\w+)?`", page.read_text(encoding="utf-8")):
        assert any((ROOT / place / name).is_file() for place in ("", "src/frameweave", "tests")), name


SNIPPETS = [
    pytest.param(page, code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
]


@pytest.mark.parametrize(("page", "code"), SNIPPETS)
def test_python_snippets(page: Path, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with names of its own, in this process, which has imported torch already."""
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {"__name__": "__main__"})


def test_there_are_snippets() -> None:
    """Of the first page that people see too."""
    assert len(SNIPPETS) >= 5 and {"README.md", "editors.md"} <= {one.values[0].name for one in SNIPPETS}


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


def missing_tests(page: str) -> list[str]:
    """What the last column of a page's tables names and `tests/` does not have."""
    missing: list[str] = []
    for line in re.findall(r"^\|.*\|$", page, re.M):
        cell = re.split(r"(?<!\\)\|", line)[-2]
        for name in re.findall(r"`([^`]+)`", cell):
            file, *inside = name.split("::")
            path = ROOT / "tests" / file
            if not path.is_file() or not all(
                re.search(rf"^ *(?:def|class) {re.escape(one)}\b", path.read_text(encoding="utf-8"), re.M)
                for one in inside
            ):
                missing.append(name)
    return missing


def test_the_tests_that_show_what_works_exist() -> None:
    page = (ROOT / "docs/reference/models.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.endswith("| tests |")]
    assert [row for row in rows if ".py" not in re.split(r"(?<!\\)\|", row)[-2]] == []
    assert missing_tests(page) == []


@pytest.mark.parametrize(
    "name", ["test_nowhere.py", "test_bounds.py::test_not_there", "test_bounds.py::test_every"]
)
def test_a_test_that_is_not_there_is_found(name: str) -> None:
    table = "| what | tests |\n|---|---|\n| `[a\\|b]` | `test_bounds.py`, `{}` |\n"
    assert missing_tests(table.format(name)) == [name]
    there = "test_bounds.py::test_lowest_versions_are_read_from_the_project"
    assert missing_tests(table.format(there)) == []


def test_every_how_to_is_listed() -> None:
    listed = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = [path.name for path in (ROOT / "docs").glob("howto/*.md")]
    assert [name for name in pages if f"](howto/{name})" not in listed] == []


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("**/*.md")]
    assert [page for page in pages if f": {page}\n" not in navigation] == []


def test_both_commands_stand_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text and "make test" in text
