"""Numbers with names: the states of a connection, the codes of `on_error`, and what a process counts."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

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

    messages: int = 0
    send_fail: int = 0
    buffer_full: int = 0
    buffer_drain: int = 0
    living: dict[int, Any] = field(default_factory=dict)
    """The open connections of this process, incoming and outgoing, by `real_id`."""

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self.living)


statistics = Statistics()
