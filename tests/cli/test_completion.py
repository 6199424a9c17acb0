"""What the shell proposes."""

import subprocess
import sys
from pathlib import Path

import pytest

from frameweave.editing import listed
from frameweave.editors import registry
from frameweave.training.presets import PRESETS


def proposed(*words: str, cwd: Path) -> list[str]:
    """As the scripts ask that `--install-completion` installs; nothing heavy may be imported for it."""
    code = (
        "import sys\nfrom frameweave.cli.main import run\ntry:\n    run()\n"
        "finally:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "__complete", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
    )
    lines = [line.partition("\t")[0] for line in done.stdout.split("\n")]
    return [line for line in lines if line and not line.startswith("\x1f")]


def test_editors_are_found_without_importing_them() -> None:
    assert listed.names() == registry.names()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["edit", "a.mp4", "x", "--editor", ""], registry.names()),
        (["grid", "--editors", ""], registry.names()),
        (["train", "all", "--from", ""], [*PRESETS.names(), "runs/mine"]),
        (["ablation", "--preset", ""], [*PRESETS.names(), "runs/mine"]),
        (["edit", "a.mp4", "x", "--adaptor", ""], ["strangers", "miniature", "runs/mine/adaptor", "runs/"]),
        (["export", "runs/"], ["strangers", "miniature", "runs/mine/adaptor", "runs/mine/"]),
    ],
    ids=str,
)
def test_names_are_proposed(words: list[str], expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "runs/mine/adaptor").mkdir(parents=True)
    (tmp_path / "runs/mine/run.toml").touch()
    assert proposed(*words, cwd=tmp_path) == expected
