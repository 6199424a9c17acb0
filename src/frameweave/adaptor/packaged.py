"""The adaptors that ship in the package, by name."""

from pathlib import Path

from frameweave.models.loading.choice import MINIATURE, miniature_folder

STRANGERS = "strangers"
PACKAGED = (STRANGERS, MINIATURE)
"""In the order in which `--adaptor auto` asks them: the one for certain clips comes first."""
_FOLDERS = {STRANGERS: "stranger_adaptor", MINIATURE: "adaptor"}


def packaged_folder(name: str) -> Path | None:
    """Where a packaged adaptor lies; None for any other name."""
    folder = _FOLDERS.get(name)
    return None if folder is None else miniature_folder().parent / folder
