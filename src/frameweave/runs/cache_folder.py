"""Where things are kept that several runs use."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """FRAMEWEAVE_CACHE, or frameweave in the user's cache folder."""
    own = os.environ.get("FRAMEWEAVE_CACHE")
    usual = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "frameweave"
    return Path(own) if own else usual
