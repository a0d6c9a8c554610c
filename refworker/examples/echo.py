"""A first program: `python -m refworker.examples.echo start`, and in another terminal `nc 127.0.0.1 9000`."""

from refworker import TcpConnection, Worker, run_all

worker = Worker("text://127.0.0.1:9000", name="echo", count=2)


@worker.on_message
def echo(connection: TcpConnection, message: bytes) -> None:
    """Send back every line."""
    connection.send(message)


if __name__ == "__main__":
    run_all()
