"""Where a server listens, from before it can answer."""

import errno
import socket

from frameweave.errors import RunError

_BACKLOG = 2048


def listening_at(host: str, port: int) -> socket.socket:
    """A socket that takes connections; port 0 takes a free one. Raises `RunError` where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)  # from now on nobody is turned away, whoever comes before the server runs
    except OSError as error:
        listening.close()
        raise RunError(
            f"{host}:{port}: cannot listen there ({error.strerror})",
            hint="another program has the port: give another --port, or 0 for a free one"
            if error.errno == errno.EADDRINUSE
            else "give an address of this machine as --host, and a --port that you may use",
        ) from error
    return listening


def address_of(host: str, listening: socket.socket) -> str:
    """What a browser is told."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
