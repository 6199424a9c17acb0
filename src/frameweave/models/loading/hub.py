"""The hub of models: whether it answers, and what of it is on this machine already."""

import re
from functools import cache
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.utils import LocalEntryNotFoundError, get_session

from frameweave.errors import ModelFolderError

_SECONDS = 5.0
_ID = re.compile(r"[a-zA-Z0-9][\w.-]*/[a-zA-Z0-9][\w.-]*", re.ASCII)


def is_hub_id(name: str) -> bool:
    """Whether a name has the form of a hub id.

    >>> is_hub_id("owner/name"), is_hub_id("~/name"), is_hub_id("owner/"), is_hub_id("a/b/c")
    (True, False, False, False)
    """
    return _ID.fullmatch(name) is not None


@cache
def reachable() -> bool:
    """Whether the hub answers at all; asked once, and for a few seconds only."""
    try:
        get_session().head(constants.ENDPOINT, timeout=_SECONDS)
    except Exception:  # no network, no name server, a proxy's refusal, switched off: each client has its own
        return False
    return True


def here(name: str) -> Path | None:
    """The folder in the hub's cache that holds a repository, or what was downloaded of it."""
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError, OSError):
        return None


def resolved(name: str) -> str:
    """The hub id where the hub answers, else the folder with what is on this machine.

    Folders and what is no hub id stay as they are. Raises `ModelFolderError` when there is neither.
    """
    if Path(name).exists() or not is_hub_id(name) or reachable():
        return name
    found = here(name)
    if found is None:
        why = "is switched off by HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "does not answer"
        raise ModelFolderError(
            f"model {name}: not on this machine, and the hub {why}",
            hint=f"give a folder, or run 'hf download {name}' once where there is a connection",
        )
    return str(found)
