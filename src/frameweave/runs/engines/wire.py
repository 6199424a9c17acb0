"""Messages between a process and its child: pickles, with the memory of arrays beside them, not in them."""

import pickle
import socket
import struct
from typing import Any


def packed(value: Any) -> list[memoryview]:
    """A message in parts: the pickle, then the memory of each large buffer in it, which is not copied."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return [memoryview(pickled), *(buffer.raw() for buffer in buffers)]


def send(connection: socket.socket, parts: list[memoryview]) -> None:
    """Raises `ConnectionError` when nobody listens any more."""
    sizes = [part.nbytes for part in parts]
    connection.sendall(struct.pack(f"!{1 + len(sizes)}Q", len(sizes), *sizes))
    for part in parts:
        connection.sendall(part)


def receive(connection: socket.socket) -> Any:
    """Wait for a message. Raises `EOFError` when the other side is gone."""
    (count,) = struct.unpack("!Q", _exactly(connection, 8))
    sizes = struct.unpack(f"!{count}Q", _exactly(connection, 8 * count))
    pickled, *buffers = [_exactly(connection, size) for size in sizes]
    return pickle.loads(pickled, buffers=buffers)


def _exactly(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        try:
            got = connection.recv_into(rest)
        except ConnectionError as error:
            raise EOFError from error
        if got == 0:
            raise EOFError
        rest = rest[got:]
    return data
