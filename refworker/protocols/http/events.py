"""Server-sent events (HTML Living Standard, section 9.2; manual: http/SSE; HAPI-011)."""

import re
from collections.abc import Mapping
from typing import Any

BREAK = re.compile(r"\r\n|\r|\n")


class ServerSentEvents:
    """One event for a response whose Content-Type is `text/event-stream`.

    `fields` has any of `event`, `data`, `id`, `retry` (milliseconds), and a comment under the empty name.
    Line breaks in `data` begin new lines of it; in the others there can be none, and they are left out.
    """

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields

    def __bytes__(self) -> bytes:
        single = [("", ""), ("event", "event"), ("id", "id"), ("retry", "retry")]
        lines = [
            f"{name}: {BREAK.sub('', str(self.fields[key]))}" for key, name in single if key in self.fields
        ]
        if "data" in self.fields:
            lines += [f"data: {line}" for line in BREAK.split(str(self.fields["data"]))]
        return ("\n".join(lines) + "\n\n").encode()
