from refworker.examples import echo
from refworker.worker import Worker
from tests.refworker.peers import connected, run


def test_it_sends_back_every_line() -> None:
    async def program() -> None:
        assert echo.worker.on_message.function is echo.echo
        async with Worker("text://127.0.0.1:0", on_message=echo.echo) as worker, connected(worker) as peer:
            peer.send(b"hello\n")
            await peer.expect(b"hello\n")

    run(program)
