"""The app's web server with its page, until somebody stops it."""

import webbrowser
from collections.abc import Callable

import uvicorn

from frameweave.app.desk import Desk
from frameweave.app.gate import Gate
from frameweave.app.options import AppOptions
from frameweave.app.page.page import with_page
from frameweave.app.web import make_app
from frameweave.progress import Progress
from frameweave.serving.listening import address_of, listening_at
from frameweave.serving.patience import Impatient
from frameweave.serving.until_stopped import serve_until_stopped


class _Patient(Impatient):
    """Waits as long as a large file takes to come."""

    request_seconds = 900.0


def run(options: AppOptions, *, progress: Progress, started: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises what `serve` raises."""
    Gate.of(options)  # before anything is taken
    listening = listening_at(options.host, options.port)
    try:
        with Desk(options) as desk:
            app = with_page(make_app(desk, options), desk, options)
            address = address_of(options.host, listening)
            progress.note(f"open {address}/ in a browser; Ctrl-C ends the app")
            started(address)
            if options.open:
                webbrowser.open(address)
            config = uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                http=_Patient,
                ws="none",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=5,  # pages hold connections open for news
            )
            serve_until_stopped(config, listening)
            progress.note("the app ends; jobs that are not finished can go on when it is started again")
    finally:
        listening.close()
