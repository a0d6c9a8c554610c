"""A WebSocket service that sends mails by the thousand and answers everybody else meanwhile.

The work is done by task workers: `send_mail` is an ordinary function that blocks, in processes of its own.
It takes the order `{"mails": N}`, reports `{"done": n, "failed": f, "sockets": s}` as the mails leave, and
sends back any other message at once.

    SMTP_PORT=2525 MAILERS=10 python -m refworker.examples.mail_service start
"""

import asyncio
import json
import os
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

from refworker import Dispatcher, TaskWorker, TcpConnection, Worker, run_all

HOST = "127.0.0.1"
SMTP_PORT = int(os.environ.get("SMTP_PORT", "25"))

mailers = TaskWorker(f"text://{HOST}:0", name="mailer", count=int(os.environ.get("MAILERS", "10")))
service = Worker(f"websocket://{HOST}:0", name="service")
jobs: set[asyncio.Task[None]] = set()


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
    """Say where the service is: on a port that was free."""
    print(json.dumps({"port": worker.port}), flush=True)


@service.on_message
def receive(connection: TcpConnection, message: str) -> None:
    """An order begins a job beside the connection; this function never waits."""
    order = json.loads(message)
    if isinstance(order, dict) and "mails" in order:
        job = asyncio.create_task(send_all(connection, order["mails"]))
        jobs.add(job)
        job.add_done_callback(jobs.discard)
    else:
        connection.send(message)


async def send_all(connection: TcpConnection, number: int) -> None:
    """Every mail is a task; one that fails does not stop the rest."""
    connection.hold()  # reports are owed: neither a stop nor the client's FIN may close this connection
    done = failed = sockets = 0
    async for outcome in dispatcher.map("send_mail", mails(number), return_exceptions=True):
        done += 1
        failed += outcome.error is not None
        sockets = max(sockets, dispatcher.connections)
        connection.send(json.dumps({"done": done, "failed": failed, "sockets": sockets}))
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
