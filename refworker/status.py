"""Numbers with names: the states of a connection, the codes of `on_error`, and what a process counts."""

from dataclasses import dataclass
from enum import IntEnum

CONNECT_FAIL, SEND_FAIL = 1, 2
"""The codes that `on_error` gets."""


class Status(IntEnum):
    """The manual's status numbers."""

    INITIAL = 0
    CONNECTING = 1
    ESTABLISHED = 2
    ENDING = 4
    CLOSING = 8
    CLOSED = 16


@dataclass(slots=True)
class Statistics:
    """What this process has counted since it started."""

    connections: int = 0
    messages: int = 0
    send_fail: int = 0
    buffer_full: int = 0
    buffer_drain: int = 0


statistics = Statistics()
