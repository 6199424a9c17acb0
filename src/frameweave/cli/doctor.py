"""frameweave doctor."""

import os
import shutil
from importlib import metadata
from pathlib import Path

import psutil
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


def doctor(*, fast: bool = False) -> None:
    """Show versions, devices, memory, and what is missing.

    Examples: `frameweave doctor`; `frameweave doctor --fast` does not import torch.

    Parameters
    ----------
    fast
        Leave out what needs torch: devices and the check of the packaged model.
    """
    table = Table("what", "found", "do this", box=None)
    table.add_row("frameweave", __version__, "")
    for name in _NEEDED:
        try:
            table.add_row(name, metadata.version(name), "")
        except metadata.PackageNotFoundError:
            table.add_row(name, "missing", f"pip install {name}")
    memory = psutil.virtual_memory()
    table.add_row("memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free", "")
    disk = shutil.disk_usage(Path.cwd())
    little = "free some space" if disk.free < 2**30 else ""
    table.add_row("disk here", f"{disk.free / 2**30:.1f} GiB free", little)
    table.add_row("cores", str(os.cpu_count()), "")
    offline = os.environ.get("HF_HUB_OFFLINE", "0")
    table.add_row("hub", "offline" if offline not in ("", "0") else "online", "")
    if not fast:
        for row in _with_torch():
            table.add_row(*row)
    console.out.print(table)


def _with_torch() -> list[tuple[str, str, str]]:
    import torch  # noqa: PLC0415 - --fast must not import it

    from frameweave.model.loading import load  # noqa: PLC0415

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
