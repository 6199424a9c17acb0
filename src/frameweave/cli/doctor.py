"""frameweave doctor."""

import os
import re
import shutil
from importlib import metadata
from pathlib import Path

import psutil
from rich.markup import escape
from rich.table import Table

from frameweave import __version__
from frameweave.cli import console
from frameweave.errors import ModelFolderError

_NEEDED = (
    "torch",
    "diffusers",
    "transformers",
    "accelerate",
    "av",
    "numpy",
    "safetensors",
    "pillow",
    "cyclopts",
)

_EXTRA = re.compile(r"""(?P<package>[\w.-]+).*;.*extra == ['"](?P<extra>[\w-]+)['"]""")
"""A requirement of the package's metadata, such as: ray>=2.50; extra == 'ray'."""


def doctor(*, fast: bool = False) -> None:
    """Show versions, devices, memory, and what is missing.

    Examples: `frameweave doctor`; `frameweave doctor --fast` does not import torch.

    Parameters
    ----------
    fast
        Leave out what needs torch: devices and the check of the packaged model.
    """
    rows = [("frameweave", __version__, "")]
    for name in _NEEDED:
        found = _version(name)
        rows.append((name, found or "missing", "" if found else f"pip install {name}"))
    memory = psutil.virtual_memory()
    rows.append(("memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free", ""))
    disk = shutil.disk_usage(Path.cwd())
    little = "free some space" if disk.free < 2**30 else ""
    rows.append(("disk here", f"{disk.free / 2**30:.1f} GiB free", little))
    rows.append(("cores", str(os.cpu_count()), ""))
    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
    rows.append(("hub", "switched off by HF_HUB_OFFLINE" if offline else "not switched off", ""))
    for extra, package in _extras():
        if not _version(package):
            rows.append((f"{package} (optional)", "missing", f"pip install 'frameweave[{extra}]'"))
    if not fast:
        rows += _with_torch()
    table = Table("what", "found", "do this", box=None)
    for row in rows:
        table.add_row(*map(escape, row))
    console.out.print(table)


def _version(package: str) -> str:
    """Of an installed package; empty when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _extras() -> list[tuple[str, str]]:
    """What can be installed beside what is needed: the extra and each of its packages."""
    wanted = metadata.requires("frameweave") if _version("frameweave") else None
    found = [_EXTRA.match(text) for text in wanted or ()]
    return [(match["extra"], match["package"]) for match in found if match and match["extra"] != "dev"]


def _with_torch() -> list[tuple[str, str, str]]:
    import torch  # noqa: PLC0415 - --fast must not import it

    from frameweave.models.loading import load  # noqa: PLC0415

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
        rows.append(("miniature", str(error), "pip install --force-reinstall frameweave"))
    return rows
