import asyncio

import pytest

from refworker.callbacks import Callback, set_callbacks, spawn


class Owner:
    on_message = Callback()
    on_close = Callback()


def test_a_callback_is_an_attribute_and_a_decorator() -> None:
    owner = Owner()
    assert not owner.on_message

    @owner.on_message
    def first() -> None: ...

    assert owner.on_message.function is first
    owner.on_message = print
    assert owner.on_message.function is print
    owner.on_message = None
    assert not owner.on_message


def test_a_callback_can_be_taken_over_from_another_owner() -> None:
    one, other = Owner(), Owner()
    one.on_message = print
    other.on_message = one.on_message
    assert other.on_message.function is print


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="on_message must be a function, not int"):
        Owner().on_message = 1


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TypeError, match="no callback 'on_mesage'; it has on_close, on_message"):
        set_callbacks(Owner(), {"on_mesage": print})


def test_a_spawned_task_gives_its_result() -> None:
    async def three() -> int:
        await asyncio.sleep(0)
        return 3

    async def main() -> int:
        return await spawn(three())

    assert asyncio.run(main()) == 3
