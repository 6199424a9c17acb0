"""Where things are kept that several runs use."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """FRAMEWEAVE_CACHE, or frameweave in the user's cache folder; a user without a home has it in /tmp."""
    own = os.environ.get("FRAMEWEAVE_CACHE")
    if own:
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "frameweave"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / "frameweave-cache"
