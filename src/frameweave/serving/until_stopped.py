"""A web server that ends in order."""

import signal
import socket
from contextlib import suppress

import uvicorn


def serve_until_stopped(config: uvicorn.Config, listening: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM, finish what was begun, and return. For the main thread only.

    uvicorn ends in order at either signal, and then sends it to the process once more: by itself SIGTERM
    would end it before the caller had closed anything.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)
