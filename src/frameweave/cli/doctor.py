"""frameweave doctor: versions, devices, memory, and what is missing."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from frameweave import __version__
from frameweave.cli import console
from frameweave.errors import ModelFolderError
from frameweave.models.loading.choice import miniature_folder
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import verify
from frameweave.runs.memory import free_memory, total_memory
from frameweave.runs.settings import Settings
from frameweave.runs.text import printable

_REQUIREMENT = re.compile(r"""(?P<package>[\w.-]+)(?:[^;]*;.*extra == ['"](?P<extra>[\w-]+)['"])?""")
"""A line of the package's metadata, such as: ray>=2.50; extra == 'ray'."""
_NOT_LISTED = ("all", "dev")
_AGAIN = "pip install --force-reinstall frameweave"


class DoctorOptions(Settings):
    """Settings of `frameweave doctor`."""

    thorough: bool = False
    """Also import torch, ask it for its devices, and load the packaged model. This takes some seconds."""


def doctor(options: DoctorOptions, *, progress: Progress = SILENT) -> Iterator[dict[str, str]] | None:
    """A table for people; for programs a line for each thing: what, found, and what to do."""
    rows = list(_rows(options))
    if console.machine():
        return ({"what": what, "found": found, "todo": todo} for what, found, todo in rows)
    table = Table("what", "found", "do this", box=None)
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    console.out.print(table)
    return None


def _rows(options: DoctorOptions) -> list[tuple[str, str, str]]:
    rows = [("frameweave", __version__, "")]
    wanted = _wanted()
    for name in wanted.pop("", []):
        found = _version(name)
        rows.append((name, found or "missing", "" if found else f"pip install {name}"))
    free, total = free_memory() / 2**30, total_memory() / 2**30
    rows.append(("memory", f"{free:.1f} of {total:.1f} GiB free", ""))
    disk = shutil.disk_usage(Path.cwd())
    little = "free some space" if disk.free < 2**30 else ""
    rows.append(("disk here", f"{disk.free / 2**30:.1f} GiB free", little))
    rows.append(("cores", str(os.cpu_count()), ""))
    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
    rows.append(("hub", "switched off by HF_HUB_OFFLINE" if offline else "not switched off", ""))
    for extra, packages in sorted(wanted.items()):
        missing = [package for package in packages if not _version(package)]
        line = f"pip install 'frameweave[{extra}]'" if missing else ""
        rows.append((f"extra {extra}", f"without {', '.join(missing)}" if missing else "installed", line))
    return [*rows, *(_with_torch() if options.thorough else _without_torch())]


def _version(package: str) -> str:
    """Of an installed package; empty when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _wanted() -> dict[str, list[str]]:
    """By extra, the packages that it brings; under "" those that every installation has."""
    found: dict[str, list[str]] = {}
    for text in (metadata.requires("frameweave") if _version("frameweave") else None) or ():
        match = _REQUIREMENT.match(text)
        assert match is not None, text
        if match["extra"] not in _NOT_LISTED:
            found.setdefault(match["extra"] or "", []).append(match["package"])
    return found


def _without_torch() -> list[tuple[str, str, str]]:
    """What the system says of devices, and whether the files of the packaged model are whole."""
    cards = _cards()
    lacks = cards and "+cpu" in _version("torch")
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    wrong = verify(miniature_folder())
    return [
        (
            "cuda",
            ", ".join(cards) or "none seen",
            "install torch for CUDA: https://pytorch.org" if lacks else "",
        ),
        ("mps", "yes" if apple else "none", ""),
        ("miniature", ", ".join(wrong) or "its files are whole", _AGAIN if wrong else ""),
        ("torch's view", "not asked", "frameweave doctor --thorough asks it, in some seconds"),
    ]


def _cards() -> list[str]:
    """Names of NVIDIA cards, as their driver tells them."""
    if (asking := shutil.which("nvidia-smi")) is None:
        return []
    command = [asking, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()


def _with_torch() -> list[tuple[str, str, str]]:
    import torch

    from frameweave.models.loading.load import load

    rows = [
        (
            "cuda",
            ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())) or "none",
            "",
        ),
        ("mps", "yes" if torch.backends.mps.is_available() else "none", ""),
        ("threads", str(torch.get_num_threads()), ""),
    ]
    try:
        load(device="cpu")
        rows.append(("miniature", "loads", ""))
    except ModelFolderError as error:
        rows.append(("miniature", str(error), _AGAIN))
    return rows
