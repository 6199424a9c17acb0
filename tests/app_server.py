"""The app on a port of this machine, in this process."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from types import TracebackType

import uvicorn

from frameweave.app.desk import Desk
from frameweave.app.job import JobView
from frameweave.app.options import AppOptions
from frameweave.app.web import make_app
from frameweave.serving.listening import listening_at

_PATIENCE = 60  # seconds


class AppServer:
    """Serves until its `with` block ends; `restart` is what a user does who starts the program again."""

    def __init__(self, runs: Path) -> None:
        self.options = AppOptions(runs=runs, port=0)
        self.port = 0

    def __enter__(self) -> "AppServer":
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["GRADIO_TEMP_DIR"] = str(self.options.runs / ".app" / "gradio")
        # all that threads would import while they serve: pytest rewrites modules, one at a time only
        from anyio import open_file  # noqa: F401

        import frameweave.app.work  # noqa: F401
        from frameweave.app.page.page import with_page

        self._with_page = with_page
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def restart(self) -> None:
        self._end()
        self._start()

    def stop_all(self) -> None:
        for one in self.desk.history():
            if one.state in ("waiting", "running"):
                self.desk.stop(one.id)
        while self.desk.current is not None:
            self.desk.listen(self.desk.version, 1)

    def wait(self, prompt: str, state: str) -> None:
        """Until the job of a prompt has a state."""
        end = time.monotonic() + _PATIENCE
        while not any(one.state == state for one in self.desk.history() if one.asked.prompts == (prompt,)):
            assert time.monotonic() < end, [(one.asked.prompts, one.state) for one in self.desk.history()]
            self.desk.listen(self.desk.version, 1)

    def job(self, prompt: str) -> JobView:
        """The only job of a prompt."""
        (found,) = (one for one in self.desk.history() if one.asked.prompts == (prompt,))
        return found

    def _start(self) -> None:
        self.desk = Desk(self.options)
        with ThreadPoolExecutor(1) as pool:  # a loop of Playwright may run in this thread
            made = make_app(self.desk, self.options)
            app = pool.submit(self._with_page, made, self.desk, self.options).result()
        self._listening = listening_at("127.0.0.1", self.port)
        self.port = self._listening.getsockname()[1]
        config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, kwargs={"sockets": [self._listening]})
        self._thread.start()

    def _end(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()
        self.desk.close()
