"""A chat over WebSockets, and a door for other programs: `python -m refworker.examples.chat start`.

Who connects says `{"login": "ann"}` within ten seconds, or is closed; a later login of the same name takes
its place. From then on `{"text": "hello"}` goes to everybody and `{"to": "bob", "text": "hello"}` to one. Any
program on this machine may send the same lines to the door, and learns how many took it:

    echo '{"to": "ann", "text": "your order is here"}' | nc -N 127.0.0.1 9001

All members are in one process, which a dictionary is enough for.
"""

import json
from typing import Any

from refworker import TcpConnection, Worker, run_all

members: dict[str, TcpConnection] = {}
names: dict[int, str] = {}

chat = Worker("websocket://0.0.0.0:9000", name="chat", auth_timeout=10)


@chat.on_worker_start
def open_door(worker: Worker) -> None:
    """The door is in the same process as the members, and only for programs on this machine."""
    Worker("text://127.0.0.1:9001", name="door", on_message=knock).listen()


@chat.on_message
def hear(connection: TcpConnection, message: str | bytes) -> None:
    """A login, or something to pass on; who has not logged in is told to."""
    order = parsed(message)
    if name := order.get("login"):
        enter(str(name), connection)
    elif sender := names.get(connection.id):
        say({**order, "from": sender})
    else:
        connection.send({"error": 'log in first: {"login": "your name"}'})


@chat.on_close
def leave(connection: TcpConnection) -> None:
    """Forget a member, unless somebody else has that name by now."""
    name = names.pop(connection.id, "")
    if members.get(name) is connection:
        del members[name]


def knock(connection: TcpConnection, line: bytes) -> None:
    """Another program has something to say."""
    connection.send({"taken": say(parsed(line))})


def enter(name: str, connection: TcpConnection) -> None:
    """Give a connection a name, and take it from whoever had it."""
    leave(connection)  # it may have had another one
    former = members.get(name)
    members[name], names[connection.id] = connection, name
    connection.confirm()
    if former:
        former.close({"error": f"{name} has logged in elsewhere"})


def say(order: dict[str, Any]) -> int:
    """Send to one member, or to all; how many took it."""
    if "text" not in order:
        return 0
    if "to" in order:
        member = members.get(str(order["to"]))
        return chat.broadcast(order, to=[member] if member else [])
    return chat.broadcast(order, to=members.values())


def parsed(message: str | bytes) -> dict[str, Any]:
    """The JSON object of a message; an empty one for anything else."""
    try:
        order = json.loads(message)
    except ValueError:
        return {}
    return order if isinstance(order, dict) else {}


if __name__ == "__main__":
    run_all()
