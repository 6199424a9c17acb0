"""The wheel with nothing but what it requires: what works, and what names the extra that it needs.

The wheel is built and installed into a fresh environment, which sees those packages of this one that
the wheel requires, directly or through others, and no more. Nothing is downloaded.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def pip(*words: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *map(str, words)],
        check=True,
        capture_output=True,
    )


def required(of: Distribution, extras: frozenset[str] = frozenset({""})) -> Iterator[Requirement]:
    for line in of.requires or ():
        wanted = Requirement(line)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
            yield wanted


def closure(of: Distribution) -> dict[str, Distribution]:
    """What a distribution requires, directly or through others, by name."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(required(of))
    while waiting:
        wanted = waiting.pop()
        key = wanted.name.lower().replace("_", "-"), frozenset({"", *wanted.extras})
        if key not in seen:
            seen.add(key)
            found[key[0]] = distribution(wanted.name)
            waiting += required(found[key[0]], key[1])
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fresh environment's folder."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (wheel,) = folder.glob("*.whl")
    pip("--python", folder / "venv" / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    (installed,) = (Distribution.at(path) for path in site.glob("frameweave-*.dist-info"))
    for needed in closure(installed).values():
        for name in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
            target = site / name
            if not target.exists():  # several packages may share a folder
                target.symlink_to(Path(str(needed.locate_file(name))))
    return folder / "venv"


def call(environment: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [environment / "bin" / "frameweave", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=environment.parent,
        env=clean | {"HF_HUB_OFFLINE": "1", "COLUMNS": "400"},
    )


def test_few_packages_are_required(environment: Path) -> None:
    (site,) = environment.glob("lib/python*/site-packages")
    (installed,) = (Distribution.at(path) for path in site.glob("frameweave-*.dist-info"))
    assert len(list(required(installed))) <= 14
    names = closure(installed)
    for extra in ("scipy", "matplotlib", "fastapi", "gradio", "sqlalchemy", "openai", "ray"):
        assert extra not in names


@pytest.mark.parametrize(
    "line",
    [
        "editors",
        "doctor",
        "edit {clip} 'a red car' --frames 2 --steps 1 --device cpu --out edit",
        "generate 'a red car' --frames 2 --steps 3 --set t0=0.4 --set t1=0.9 --device cpu --out generate",
        "train lora --steps 1 --groups 2 --held-out 2 --out train",
    ],
)
def test_works(environment: Path, line: str) -> None:
    (clip,) = environment.glob("lib/python*/site-packages/frameweave/world/clips/blue-car-snow.mp4")
    done = call(environment, *shlex.split(line.format(clip=clip)))
    assert done.returncode == 0, done.stderr
    if line == "doctor":
        assert "pip install 'frameweave[study]'" in done.stdout


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ("study serve study", "study"),
        ("study report study", "study"),
        ("study new grid", "report"),
        ("report grid", "report"),
        ("evaluate edited.mp4", "report"),
        ("grid --clips 1", "report"),
        ("grid --clips 1 --ray", "ray"),
        ("data caption captions.csv", "captions"),
        ("app", "app"),
    ],
)
def test_names_the_extra(environment: Path, line: str, extra: str) -> None:
    (environment.parent / "captions.csv").write_text("video,caption\na.mp4,a red car\n")
    done = call(environment, *line.split())
    assert done.returncode == 2
    assert done.stderr.endswith(f"; pip install 'frameweave[{extra}]'\n"), done.stderr
    assert len(done.stderr.splitlines()) == 1
