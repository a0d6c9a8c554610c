"""A web service that sends mails by the thousand and answers everybody else meanwhile.

The work is done by task workers: `send_mail` is an ordinary function that blocks, in processes of its own.
The page at `/` orders mails and shows what happens, over WebSockets to the same port: the order
`{"mails": N}` is answered by a report `{"done": n, "failed": f, "sockets": s}` as each mail leaves, with
`"problem": "why"` since one has failed; any other JSON is sent back at once.

    PORT=8000 SMTP_PORT=2525 MAILERS=10 python -m refworker.examples.mail_service start

Without PORT it is any free one, which `{"port": P, "url": U}` tells.
"""

import asyncio
import json
import os
import smtplib
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from refworker import Dispatcher, Request, Response, TaskWorker, TcpConnection, Worker, run_all

HOST = "127.0.0.1"

MOST = 1_000_000
"""Mails of one order."""

PAGE = Path(__file__).with_suffix(".html").read_bytes()
PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src data:; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def setting(name: str, default: int, lowest: int, highest: int) -> int:
    """A whole number of the environment; another one is a mistake of one line and exit code 2."""
    text = os.environ.get(name, str(default))
    if text.isascii() and text.isdigit() and lowest <= int(text) <= highest:
        return int(text)
    print(f"mail_service: {name} is a number from {lowest} to {highest}, not {text!r}", file=sys.stderr)
    raise SystemExit(2)


SMTP_PORT = setting("SMTP_PORT", 25, 1, 65535)

mailers = TaskWorker(f"text://{HOST}:0", name="mailer", count=setting("MAILERS", 10, 1, 500))
service = Worker(f"http://{HOST}:{setting('PORT', 0, 0, 65535)}", name="service")
jobs: set[asyncio.Task[None]] = set()


@mailers.on_worker_start
def give_way(worker: Worker) -> None:
    """Who has time leaves the processor to who is waited for: to the service."""
    os.nice(10)


@mailers.function
def send_mail(to: str, subject: str, body: str) -> None:
    """One mail. Raises what smtplib raises, and the service hears of it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "service@example.org", to, subject
    mail.set_content(body)
    with smtplib.SMTP(HOST, SMTP_PORT, local_hostname="localhost") as server:
        server.send_message(mail)


@service.on_worker_start
def start(worker: Worker) -> None:
    """Say where the service is: on a port that was free, perhaps."""
    print(json.dumps({"port": worker.port, "url": f"http://{HOST}:{worker.port}/"}), flush=True)


@service.on_message
def show(connection: TcpConnection, request: Request) -> Response:
    """The page, and nothing else."""
    if request.path != "/":
        return Response(404, TEXT, "there is nothing but /\n")
    if request.method not in ("GET", "HEAD"):
        return Response(405, {**TEXT, "Allow": "GET, HEAD"}, "the page is only read\n")
    return Response(200, PAGE_HEADERS, PAGE)


@service.on_websocket_connect
def visit(connection: TcpConnection, request: Any) -> None:
    """Mails are ordered by the page of this service, or by a program; not by a page from elsewhere."""
    origin = request.get("origin")
    if origin and origin.partition("://")[2] != request.get("host"):
        connection.refuse(403, "not from there")


@service.on_websocket_message
def receive(connection: TcpConnection, message: str) -> None:
    """An order begins a job beside the connection; this function never waits."""
    order = json.loads(message)
    if not isinstance(order, dict) or "mails" not in order:
        connection.send(message)
    elif type(number := order["mails"]) is int and 1 <= number <= MOST:
        job = asyncio.create_task(send_all(connection, number))
        jobs.add(job)
        job.add_done_callback(jobs.discard)
    else:
        connection.send({"error": f"mails is a number from 1 to {MOST}"})


async def send_all(connection: TcpConnection, number: int) -> None:
    """Every mail is a task; one that fails does not stop the rest."""
    connection.hold()  # reports are owed: neither a stop nor the client's FIN may close this connection
    report: dict[str, Any] = {"done": 0, "failed": 0, "sockets": 0}
    async for outcome in dispatcher.map("send_mail", mails(number), return_exceptions=True):
        report["done"] += 1
        if outcome.error:
            report["failed"] += 1
            report["problem"] = f"{outcome.error.type}: {outcome.error.message}"
        report["sockets"] = max(report["sockets"], dispatcher.connections)
        connection.send(report)
    connection.release()


def mails(number: int) -> Iterator[dict[str, str]]:
    """The arguments of `send_mail`, once for each recipient."""
    for recipient in range(1, number + 1):
        yield {
            "to": f"reader{recipient}@example.org",
            "subject": f"Letter {recipient}",
            "body": "Dear reader,\n\nthe service that sent you this was never busy.\n",
        }


if __name__ == "__main__":
    mailers.bind()  # before the fork: both sides have to know the port
    dispatcher = Dispatcher(f"text://{HOST}:{mailers.port}")
    run_all(pid_file=os.environ.get("PID_FILE"))
