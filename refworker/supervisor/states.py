"""The whole lifecycle on one screen: which state follows which, and what is done on the way.

A master, each of its slots (the place of one process: worker and id) and each process walk through a table of
(state, event) -> (next state, action). Actions are the names of methods of `Master`, `Slot` and `Child`. A
pair that a table lacks cannot happen; `step` raises for it instead of guessing.
"""

from enum import Enum
from typing import TypeVar


class MasterState(Enum):
    """Where the service as a whole stands."""

    STARTING = "starting"
    RUNNING = "running"
    CHECKING = "checking"  # a reload was asked for: does the program still work?
    RELOADING = "reloading"  # the master runs the new program; new processes take over from old ones
    DRAINING = "draining"  # a graceful stop
    STOPPING = "stopping"
    STOPPED = "stopped"


class MasterEvent(Enum):
    """What moves the master."""

    ALL_READY = "every slot has its process, and it is ready"
    RELOAD = "a signal or the reload command asks for new code"
    CHECKED = "the new program works"
    REFUSED = "the new program does not work"
    ABORTED = "a process of the new program does not start"
    STOP = "a signal, the stop command or a worker asks for the end"
    STOP_GRACEFULLY = "SIGQUIT or stop -g asks for an end that cuts nobody short"
    FORCE = "somebody is tired of waiting: a second SIGINT"
    ALL_GONE = "no process is left"


class SlotState(Enum):
    """Where a slot stands."""

    WAITING = "waiting"  # no process; one is due when the back-off is over
    STARTING = "starting"  # forked; on_worker_start has not returned
    READY = "ready"
    RENEWING = "renewing"  # one is ready, and its successor is starting
    GONE = "gone"  # no process, and none is wanted


class SlotEvent(Enum):
    """What moves a slot."""

    DUE = "a process is to be forked"
    FORK_FAILED = "the system refused to fork"
    READY = "the process that was forked last said that it is ready"
    EXITED = "the process that was forked last was reaped"
    LOST = "the process that serves was reaped while its successor starts"
    RENEW = "another process is to take the place"
    GIVE_UP = "the old process is to stay after all"
    STOP = "the service stops"


class ChildState(Enum):
    """Where a process stands; the values are what `status` shows."""

    STARTING = "starting"
    READY = "idle"
    LEAVING = "leaving"  # told to leave; not reaped yet
    GONE = "gone"


class ChildEvent(Enum):
    """What moves a process."""

    READY = "it said that it is ready"
    LEAVE = "it is not wanted any more"
    DEADLINE = "it should have gone by now"
    EXITED = "it was reaped"


M, Do = MasterState, MasterEvent
MASTER: dict[tuple[MasterState, MasterEvent], tuple[MasterState, str]] = {
    (M.STARTING, Do.ALL_READY): (M.RUNNING, "report_started"),
    (M.STARTING, Do.RELOAD): (M.STARTING, "note_reload"),
    (M.STARTING, Do.STOP): (M.STOPPING, "stop_now"),
    (M.STARTING, Do.STOP_GRACEFULLY): (M.DRAINING, "stop_gracefully"),
    (M.RUNNING, Do.ALL_READY): (M.RUNNING, "nothing"),  # a replacement is ready
    (M.RUNNING, Do.RELOAD): (M.CHECKING, "check_program"),
    (M.RUNNING, Do.STOP): (M.STOPPING, "stop_now"),
    (M.RUNNING, Do.STOP_GRACEFULLY): (M.DRAINING, "stop_gracefully"),
    (M.CHECKING, Do.ALL_READY): (M.CHECKING, "nothing"),
    (M.CHECKING, Do.RELOAD): (M.CHECKING, "note_reload"),  # never lost (LIFE-057)
    (M.CHECKING, Do.CHECKED): (M.RELOADING, "execute_again"),
    (M.CHECKING, Do.REFUSED): (M.RUNNING, "report_refusal"),
    (M.CHECKING, Do.STOP): (M.STOPPING, "stop_now"),
    (M.CHECKING, Do.STOP_GRACEFULLY): (M.DRAINING, "stop_gracefully"),
    (M.RELOADING, Do.ALL_READY): (M.RUNNING, "report_reloaded"),
    (M.RELOADING, Do.RELOAD): (M.RELOADING, "note_reload"),
    (M.RELOADING, Do.REFUSED): (M.RUNNING, "report_refusal"),  # the interpreter could not be executed
    (M.RELOADING, Do.ABORTED): (M.RUNNING, "abort_reload"),
    (M.RELOADING, Do.STOP): (M.STOPPING, "stop_now"),
    (M.RELOADING, Do.STOP_GRACEFULLY): (M.DRAINING, "stop_gracefully"),
    (M.DRAINING, Do.RELOAD): (M.DRAINING, "refuse_reload"),
    (M.DRAINING, Do.STOP): (M.STOPPING, "hurry"),
    (M.DRAINING, Do.STOP_GRACEFULLY): (M.DRAINING, "nothing"),
    (M.DRAINING, Do.ALL_GONE): (M.STOPPED, "finish"),
    (M.STOPPING, Do.RELOAD): (M.STOPPING, "refuse_reload"),
    (M.STOPPING, Do.STOP): (M.STOPPING, "nothing"),  # a second signal does not hurry (LIFE-057)
    (M.STOPPING, Do.STOP_GRACEFULLY): (M.STOPPING, "nothing"),
    (M.STOPPING, Do.FORCE): (M.STOPPING, "kill_all"),
    (M.STOPPING, Do.ALL_GONE): (M.STOPPED, "finish"),
}

S, On = SlotState, SlotEvent
SLOT: dict[tuple[SlotState, SlotEvent], tuple[SlotState, str]] = {
    (S.WAITING, On.DUE): (S.STARTING, "fork"),
    (S.WAITING, On.STOP): (S.GONE, "cancel_fork"),
    (S.STARTING, On.FORK_FAILED): (S.WAITING, "try_later"),
    (S.STARTING, On.READY): (S.READY, "nothing"),
    (S.STARTING, On.EXITED): (S.WAITING, "try_later"),
    (S.STARTING, On.STOP): (S.GONE, "dismiss"),
    (S.READY, On.EXITED): (S.WAITING, "replace"),
    (S.READY, On.RENEW): (S.RENEWING, "fork"),
    (S.READY, On.STOP): (S.GONE, "dismiss"),
    (S.RENEWING, On.READY): (S.READY, "hand_over"),
    (S.RENEWING, On.EXITED): (S.READY, "stay"),
    (S.RENEWING, On.FORK_FAILED): (S.READY, "stay"),
    (S.RENEWING, On.LOST): (S.STARTING, "succeed"),
    (S.RENEWING, On.GIVE_UP): (S.READY, "give_up"),
    (S.RENEWING, On.STOP): (S.GONE, "dismiss"),
}

C, Is = ChildState, ChildEvent
CHILD: dict[tuple[ChildState, ChildEvent], tuple[ChildState, str]] = {
    (C.STARTING, Is.READY): (C.READY, "welcome"),
    (C.STARTING, Is.LEAVE): (C.LEAVING, "tell_to_leave"),
    (C.STARTING, Is.EXITED): (C.GONE, "bury"),
    (C.READY, Is.LEAVE): (C.LEAVING, "tell_to_leave"),
    (C.READY, Is.EXITED): (C.GONE, "bury"),
    (C.LEAVING, Is.READY): (C.LEAVING, "nothing"),  # its message crossed ours
    (C.LEAVING, Is.LEAVE): (C.LEAVING, "tell_to_leave"),  # sooner than we said first
    (C.LEAVING, Is.DEADLINE): (C.LEAVING, "kill"),
    (C.LEAVING, Is.EXITED): (C.GONE, "bury"),
}

State = TypeVar("State", MasterState, SlotState, ChildState)
Event = TypeVar("Event", MasterEvent, SlotEvent, ChildEvent)


def step(
    table: dict[tuple[State, Event], tuple[State, str]], state: State, event: Event
) -> tuple[State, str]:
    """The next state and the name of the action. Raises LookupError for a pair that cannot happen."""
    try:
        return table[state, event]
    except KeyError:
        raise LookupError(f"{event.name} cannot happen while {state.value}") from None
