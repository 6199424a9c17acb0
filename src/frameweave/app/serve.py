"""Serve the app until it is stopped. What is heavy is imported when it is called."""

import os
from collections.abc import Callable

from frameweave.app.options import AppOptions
from frameweave.errors import require_extra
from frameweave.progress import SILENT, Progress


def serve(
    options: AppOptions,
    *,
    progress: Progress = SILENT,
    started: Callable[[str], None] = lambda _address: None,
) -> None:
    """Serve until SIGINT or SIGTERM; `started` is told the address.

    Nothing is asked of the network: hub ids are read from the cache of earlier downloads, unless
    HF_HUB_OFFLINE says otherwise. Raises `MissingExtra` without Gradio, `InputError` for a host that needs a
    password, and `RunError` for a taken port and for a folder of runs that another app has.
    """
    require_extra("app", "gradio", "fastapi", "uvicorn")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # it is read while gradio is imported
    os.environ["GRADIO_TEMP_DIR"] = str((options.runs / ".app" / "gradio").absolute())  # nobody else's
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    progress.note("loading, which takes a moment")

    from frameweave.app.server import run

    run(options, progress=progress, started=started)
