"""One client of the live traffic, at the moments that are hard to hit from outside."""

import select
import socket
import struct

from conformance.traffic.habits import Habit
from conformance.traffic.lane import Lane
from conformance.wire.address import Address

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: close with a reset (socket(7))."""


def test_a_server_that_is_gone_before_the_first_word() -> None:
    """The connection stood, and is reset before anything was said: the request has ended, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lane = Lane(1, Habit("text"), Address.parse(f"tcp://127.0.0.1:{listener.getsockname()[1]}"), 1.0)
        lane.due(0.0)
        dialled = lane.socket
        assert dialled is not None
        server, _ = listener.accept()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        server.close()
        poll = select.poll()
        poll.register(dialled, select.POLLIN)
        assert poll.poll(5000)
        dialled.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # as if it had come a moment later
        lane.ready(select.POLLOUT, 0.1)
    assert lane.socket is None
    assert [story.how for story in lane.stories] in (["reset"], ["fin"])
