"""A real endpoint on this machine that answers about captions, and misbehaves as it is told."""

import json
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-canary-5up3rS3cretK3y-0123456789"
MODEL = "test-model"


@dataclass(frozen=True)
class Reaction:
    """What the server does about one request."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before anything is sent."""
    cut: int | None = None
    """Hang up after so many bytes of the body."""
    drip: float = 0.0
    """Seconds before each byte of the body."""


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    time: float
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def captions(self) -> list[str]:
        return list(json.loads(self.body["messages"][1]["content"])["captions"].values())


Script = Sequence[Reaction] | Callable[[Asked], Reaction]


def completion(text: str | None, *, usage: tuple[int, int] | None = (100, 20), **message: Any) -> Reaction:
    """A chat completion that says `text`."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": "stop",
    }
    table: dict[str, Any] = {"id": "1", "object": "chat.completion", "choices": [choice]}
    if usage is not None:
        table["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return Reaction(body=json.dumps(table).encode())


def edits(asked: Asked) -> dict[str, Any]:
    """Something sound for each kind that is asked for: words added to the first caption."""
    content = json.loads(asked.body["messages"][1]["content"])
    source = content["captions"]["1"]
    added = {
        "object": "with a robot",
        "colour": "all in blue",
        "background": "on the moon",
        "style": "as a mosaic",
    }
    return {
        "edits": [
            {"caption": 1, "kind": kind, "from": "", "to": added[kind], "prompt": f"{source} {added[kind]}"}
            for kind in content["kinds"]
        ]
    }


def good(asked: Asked) -> Reaction:
    return completion(json.dumps(edits(asked)))


def failure(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reaction:
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    return Reaction(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class CaptionServer:
    """Follows its script, and is good when that ends."""

    def __init__(self, script: Script = ()) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def environment(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": self.url, "FRAMEWEAVE_CAPTION_MODEL": MODEL}

    def reaction(self, asked: Asked) -> Reaction:
        with self._lock:
            number = len(self.asked)
            self.asked.append(asked)
        if callable(self.script):
            return self.script(asked)
        return self.script[number] if number < len(self.script) else good(asked)

    @contextmanager
    def running(self) -> Generator["CaptionServer", None, None]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reaction = server.reaction(Asked(time.monotonic(), self.path, headers, body))
                time.sleep(reaction.delay)
                try:
                    self._send(reaction)
                except OSError:  # the client has gone
                    self.close_connection = True

            def _send(self, reaction: Reaction) -> None:
                self.send_response(reaction.status)
                for name, value in {"Content-Type": "application/json", **reaction.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reaction.body)))
                self.end_headers()
                for start in range(len(reaction.body) if reaction.drip else 0):
                    time.sleep(reaction.drip)
                    self.wfile.write(reaction.body[start : start + 1])
                self.wfile.write(b"" if reaction.drip else reaction.body[: reaction.cut])
                if reaction.cut is not None:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
