"""The whole lifecycle on one screen: which state follows which, and what is done on the way.

A master and each of its slots (the place of one process: worker and id) walk through a table of
(state, event) -> (next state, action). Actions are the names of methods of `Master` and `Slot`. A pair that a
table lacks cannot happen; `step` raises for it instead of guessing.
"""

from enum import Enum
from typing import TypeVar


class MasterState(Enum):
    """Where the service as a whole stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class MasterEvent(Enum):
    """What moves the master."""

    ALL_READY = "every slot is ready"
    STOP = "a signal, the stop command or a worker asks for the end"
    DEADLINE = "stop_timeout is over"
    ALL_GONE = "no process is left"


class SlotState(Enum):
    """Where the process of one slot stands."""

    WAITING = "waiting"  # no process; one is due when the back-off is over
    STARTING = "starting"  # forked; on_worker_start has not returned
    READY = "ready"
    STOPPING = "stopping"  # told to stop; not reaped yet
    GONE = "gone"  # no process, and none is wanted


class SlotEvent(Enum):
    """What moves a slot."""

    DUE = "a process is to be forked"
    FORK_FAILED = "the system refused to fork"
    READY = "the process said that it is ready"
    EXITED = "the process was reaped"
    STOP = "the service stops"
    DEADLINE = "stop_timeout is over"


M, Do = MasterState, MasterEvent
MASTER: dict[tuple[MasterState, MasterEvent], tuple[MasterState, str]] = {
    (M.STARTING, Do.ALL_READY): (M.RUNNING, "report_started"),
    (M.STARTING, Do.STOP): (M.STOPPING, "stop_slots"),
    (M.RUNNING, Do.ALL_READY): (M.RUNNING, "nothing"),  # a replacement is ready
    (M.RUNNING, Do.STOP): (M.STOPPING, "stop_slots"),
    (M.STOPPING, Do.STOP): (M.STOPPING, "nothing"),  # a second signal does not hurry (LIFE-057)
    (M.STOPPING, Do.DEADLINE): (M.STOPPING, "kill_slots"),
    (M.STOPPING, Do.ALL_GONE): (M.STOPPED, "finish"),
}

S, On = SlotState, SlotEvent
SLOT: dict[tuple[SlotState, SlotEvent], tuple[SlotState, str]] = {
    (S.WAITING, On.DUE): (S.STARTING, "fork"),
    (S.WAITING, On.STOP): (S.GONE, "cancel_fork"),
    (S.STARTING, On.FORK_FAILED): (S.WAITING, "try_later"),
    (S.STARTING, On.READY): (S.READY, "nothing"),
    (S.STARTING, On.EXITED): (S.WAITING, "try_later"),
    (S.STARTING, On.STOP): (S.STOPPING, "tell_to_stop"),
    (S.READY, On.EXITED): (S.WAITING, "replace"),
    (S.READY, On.STOP): (S.STOPPING, "tell_to_stop"),
    (S.STOPPING, On.READY): (S.STOPPING, "nothing"),  # its message crossed ours
    (S.STOPPING, On.DEADLINE): (S.STOPPING, "kill"),
    (S.STOPPING, On.EXITED): (S.GONE, "nothing"),
}

State = TypeVar("State", MasterState, SlotState)
Event = TypeVar("Event", MasterEvent, SlotEvent)


def step(
    table: dict[tuple[State, Event], tuple[State, str]], state: State, event: Event
) -> tuple[State, str]:
    """The next state and the name of the action. Raises LookupError for a pair that cannot happen."""
    try:
        return table[state, event]
    except KeyError:
        raise LookupError(f"{event.name} cannot happen while {state.value}") from None
