"""The app on a port of this machine, in this process."""

import time
from pathlib import Path
from threading import Thread
from types import TracebackType

import uvicorn

from frameweave.app.desk import Desk
from frameweave.app.options import AppOptions


class AppServer:
    """Serves until its `with` block ends; `restart` is what a user does who starts the program again."""

    def __init__(self, runs: Path) -> None:
        self.options = AppOptions(runs=runs, port=0)
        self.port = 0

    def __enter__(self) -> "AppServer":
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
            time.sleep(0.05)

    def wait(self, prompt: str, state: str, seconds: float = 60) -> None:
        """Until the job of a prompt has a state."""
        end = time.monotonic() + seconds
        while not any(one.state == state for one in self.desk.history() if one.asked.prompts == (prompt,)):
            assert time.monotonic() < end, [(one.asked.prompts, one.state) for one in self.desk.history()]
            self.desk.listen(self.desk.version, 1)
