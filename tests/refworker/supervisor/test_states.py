import pytest

from refworker.supervisor.child import Child
from refworker.supervisor.master import Master
from refworker.supervisor.slot import Slot
from refworker.supervisor.states import (
    CHILD,
    MASTER,
    SLOT,
    ChildEvent,
    ChildState,
    MasterEvent,
    MasterState,
    SlotEvent,
    SlotState,
    step,
)


@pytest.mark.parametrize(("table", "actor"), [(MASTER, Master), (SLOT, Slot), (CHILD, Child)])
def test_every_action_is_a_method(table: dict, actor: type) -> None:
    for _, action in table.values():
        assert callable(getattr(actor, action))


@pytest.mark.parametrize(
    ("table", "states", "events"),
    [
        (MASTER, MasterState, MasterEvent),
        (SLOT, SlotState, SlotEvent),
        (CHILD, ChildState, ChildEvent),
    ],
)
def test_every_state_and_every_event_is_used(table: dict, states: type, events: type) -> None:
    assert {event for _, event in table} == set(events)
    assert {state for state, _ in table} | {state for state, _ in table.values()} == set(states)


@pytest.mark.parametrize(
    ("table", "final"), [(MASTER, MasterState.STOPPED), (SLOT, SlotState.GONE), (CHILD, ChildState.GONE)]
)
def test_the_end_can_be_reached_from_everywhere_and_is_the_end(table: dict, final: object) -> None:
    reached = {final}
    while more := {state for (state, _), (after, _) in table.items() if after in reached} - reached:
        reached |= more
    assert reached == {state for state, _ in table} | {final}
    assert final not in {state for state, _ in table}


def test_a_stop_is_answered_in_every_state_that_has_one() -> None:
    for state in set(SlotState) - {SlotState.GONE}:
        assert (state, SlotEvent.STOP) in SLOT
    for state in set(MasterState) - {MasterState.STOPPED}:
        assert (state, MasterEvent.STOP) in MASTER
        assert (state, MasterEvent.STOP_GRACEFULLY) in MASTER
        assert (state, MasterEvent.RELOAD) in MASTER


def test_the_life_of_a_slot() -> None:
    state, actions = SlotState.WAITING, []
    life = [SlotEvent.DUE, SlotEvent.READY, SlotEvent.EXITED, SlotEvent.DUE, SlotEvent.FORK_FAILED]
    life += [SlotEvent.DUE, SlotEvent.READY, SlotEvent.RENEW, SlotEvent.READY, SlotEvent.RENEW]
    life += [SlotEvent.EXITED, SlotEvent.RENEW, SlotEvent.LOST, SlotEvent.STOP]
    for event in life:
        state, action = step(SLOT, state, event)
        actions.append(action)
    assert state is SlotState.GONE
    expected = (
        "fork nothing replace fork try_later fork nothing fork hand_over fork stay fork succeed dismiss"
    )
    assert actions == expected.split()


def test_what_cannot_happen_is_an_error() -> None:
    with pytest.raises(LookupError, match="DUE cannot happen while ready"):
        step(SLOT, SlotState.READY, SlotEvent.DUE)
