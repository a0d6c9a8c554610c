"""A real SMTP server that accepts every mail, takes its time for it, and counts.

`python -m refworker.examples.mail_sink` prints `{"port": P}`; when its input ends it prints how many mails it
has `accepted`, and for how many different recipients, and ends. Needs aiosmtpd.
"""

import asyncio
import json
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session

LATENCY = 0.02
"""Seconds that a mail takes, as with a server that looks at it first."""


class Sink:
    """aiosmtpd's handler."""

    def __init__(self) -> None:
        self.accepted = 0
        self.recipients: set[str] = set()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """One mail; the name is aiosmtpd's."""
        await asyncio.sleep(LATENCY)
        self.accepted += 1
        self.recipients.update(envelope.rcpt_tos)
        return "250 OK"


async def serve() -> None:
    """Until the input ends."""
    loop, sink = asyncio.get_running_loop(), Sink()
    server = await loop.create_server(lambda: SMTP(sink, hostname="localhost"), "127.0.0.1", 0)
    say({"port": server.sockets[0].getsockname()[1]})
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    say({"accepted": sink.accepted, "recipients": len(sink.recipients)})


def say(report: dict[str, int]) -> None:
    """One line for whoever has started this."""
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
