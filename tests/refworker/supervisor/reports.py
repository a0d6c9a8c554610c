"""Status reports for tests: a service with two workers, one process of which does not answer."""

from typing import Any


def process(pid: int | None, worker: str = "echo", number: int = 0, **known: Any) -> dict[str, Any]:
    """One process that has answered, or, with `state` alone, has not."""
    row = {"pid": pid, "worker": worker, "id": number, "address": "text://127.0.0.1:38111", "uptime": 5.25}
    if known.get("state", "idle") != "idle":
        return row | known
    return row | {
        "state": "idle",
        "memory": 20 * 1024 * 1024 + 300_000,
        "connections": 3,
        "send_fail": 1,
        "buffer_full": 0,
        "buffer_drain": 2,
        "timers": 2,
        "messages": 1234,
        "bytes_read": 5000,
        "bytes_written": 6000,
        **known,
    }


def status(*processes: dict[str, Any], **master: Any) -> dict[str, Any]:
    """A whole report."""
    return {
        "master": {
            "pid": 100,
            "title": "refworker[app.py]",
            "state": "running",
            "mode": "DEBUG",
            "version": "0.1.0",
            "python": "3.11.7",
            "event_loop": "asyncio",
            "started": 1767225600.5,
            "uptime": 93784.0,
            "load": [0.43, 0.6, 0.3],
            "reloads": 2,
            **master,
        },
        "workers": [
            {
                "name": "echo",
                "address": "text://127.0.0.1:38111",
                "count": 2,
                "user": "root",
                "exits": {"9": 1, "0": 3, "64000": 2},
            },
            {"name": "none", "address": "none", "count": 1, "user": "nobody", "exits": {}},
        ],
        "processes": list(processes),
        "totals": {
            "messages": 99_999,
            "send_fail": 7,
            "buffer_full": 5,
            "buffer_drain": 4,
            "exits": 6,
            "starts": 9,
        },
    }


USUAL = status(
    process(24534, number=1, messages=6, connections=0, send_fail=0, timers=0),
    process(24533),
    process(24600, "none", 0, address="none", state="busy"),
)
