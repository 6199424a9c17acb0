"""frameweave doctor."""

import os
import re
import shutil
from importlib import metadata
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from frameweave import __version__
from frameweave.cli import console
from frameweave.errors import ModelFolderError
from frameweave.runs.memory import free_memory, total_memory

_REQUIREMENT = re.compile(r"""(?P<package>[\w.-]+)(?:[^;]*;.*extra == ['"](?P<extra>[\w-]+)['"])?""")
"""A line of the package's metadata, such as: ray>=2.50; extra == 'ray'."""
_NOT_LISTED = ("all", "dev")


def doctor(*, fast: bool = False) -> None:
    """Show versions, devices, memory, and what is missing.

    Examples: `frameweave doctor`; `frameweave doctor --fast` does not import torch.

    Parameters
    ----------
    fast
        Leave out what needs torch: devices and the check of the packaged model.
    """
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


def _wanted() -> dict[str, list[str]]:
    """By extra, the packages that it brings; under "" those that every installation has."""
    found: dict[str, list[str]] = {}
    for text in (metadata.requires("frameweave") if _version("frameweave") else None) or ():
        match = _REQUIREMENT.match(text)
        assert match is not None, text
        if match["extra"] not in _NOT_LISTED:
            found.setdefault(match["extra"] or "", []).append(match["package"])
    return found


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
