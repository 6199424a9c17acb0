"""Runs a smoke set in an environment of the lowest versions that pyproject.toml allows: `make lowest`.

A few minutes, and about 2 GB on the disk. torch stays at the version of constraints.txt: its wheels are
large, and older ones are not to be had for every Python.
"""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-lowest"
SMOKE = (
    "models/loading/test_loading.py",
    "models/test_depth.py",
    "editors/test_framewise.py",
    "adaptor/test_verify.py",
    "miniature/test_packaged.py",
    "video/test_writing.py",
    "video/test_reading.py",
)
_LOWEST = re.compile(r"([\w-]+)>=([\d.]+)")
_FOR_TESTS = ("pytest", "pytest-timeout", "beartype", "hypothesis")


def lowest() -> list[str]:
    """A line of constraints for each package that users of the metrics need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted: list[str] = [*project["dependencies"], *project["optional-dependencies"]["report"]]
    bounds = [found.groups() for line in wanted if (found := _LOWEST.match(line)) is not None]
    (torch,) = re.findall(r"(?m)^torch==.+$", (ROOT / "constraints.txt").read_text(encoding="utf-8"))
    return [torch, *(f"{name}=={version}" for name, version in bounds if name != "torch")]


def main() -> int:
    python = str(FOLDER / "bin" / "python")
    if not FOLDER.is_dir():
        venv.create(FOLDER, with_pip=True)
    constraints = FOLDER / "constraints.txt"
    constraints.write_text("\n".join(lowest()) + "\n", encoding="utf-8")
    print(constraints.read_text(encoding="utf-8"), flush=True)
    install = (python, "-m", "pip", "install", "--quiet", "--constraint", str(constraints))
    subprocess.run([*install, "--editable", f"{ROOT}[report]", *_FOR_TESTS], check=True)
    tests = [str(ROOT / "tests" / name) for name in SMOKE]
    # old packages warn of what newer ones removed: their warnings are no errors here
    command = [python, "-m", "pytest", "-q", "-W", "default", *tests]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
