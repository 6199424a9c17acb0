"""Messages arrive as they were sent, or not at all."""

import socket
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from frameweave.runs.engines import wire

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.binary(max_size=200)
    | arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_side=0, max_side=4))
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(_VALUES)
def test_a_message_arrives_as_it_was_sent(value: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send(ours, wire.packed(value))
        np.testing.assert_equal(wire.receive(theirs), value)


def test_large_arrays_arrive_writable_and_are_not_copied_into_the_pickle() -> None:
    sent = {"a": np.arange(3_000_000, dtype=np.uint8), "turned": np.arange(6.0).reshape(2, 3).T}
    parts = wire.packed(sent)
    assert len(parts) == 3 and parts[0].nbytes < 1000
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=wire.send, args=(ours, parts))
        thread.start()
        found = wire.receive(theirs)
        thread.join()
    np.testing.assert_equal(found, sent)
    found["a"][:] = 0


@pytest.mark.parametrize("kept", [0, 5, 8, 20, 25])
def test_a_torn_message_is_the_end(kept: int) -> None:
    whole, copy = socket.socketpair()
    ours, theirs = socket.socketpair()
    with whole, copy, ours, theirs:
        wire.send(whole, wire.packed("a text"))
        ours.sendall(copy.recv(1000)[:kept])
        ours.close()
        with pytest.raises(EOFError):
            wire.receive(theirs)


def test_nobody_listens() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(ConnectionError):
        wire.send(ours, wire.packed("a text"))
