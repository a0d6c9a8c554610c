"""A small pre-fork server with text and task services, right or wrong in one way, for live traffic.

python prefork.py serve PORT_TEXT PORT_TASK PID_FILE VERSION_FILE [FAULT]
python prefork.py reload|stop PID_FILE
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

WORKERS = 2
FIRST_WORD = 0.3  # seconds that a new client has for its first request, also when its worker leaves
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD}


class Worker:
    def __init__(self, listeners, version, fault):
        self.listeners, self.version, self.fault = listeners, Path(version).read_text(), fault
        self.busy, self.idle = 0, {}  # connections that say nothing, and when they may be closed for that

    async def main(self):
        loop, leave = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, leave.set)
        handlers = (self.text, self.task)
        servers = [
            await asyncio.start_server(handler, sock=listener, start_serving=True)
            for handler, listener in zip(handlers, self.listeners, strict=True)
        ]
        await leave.wait()
        for server in servers:
            server.close()
        await self.drain()

    async def drain(self):
        if self.fault == "drops-in-flight":
            os._exit(0)
        now = time.monotonic()
        accepted, limit = now + FIRST_WORD, now + 1.5  # some may be accepted, and not be served yet
        while (self.busy or self.idle or now < accepted) and now < limit:
            for writer in [writer for writer, since in self.idle.items() if since <= now]:
                del self.idle[writer]
                writer.close()
            await asyncio.sleep(0.01)
            now = time.monotonic()

    async def text(self, reader, writer):
        await self.converse(reader, writer, self.echo)

    async def task(self, reader, writer):
        await self.converse(reader, writer, self.call)

    async def converse(self, reader, writer, answer):
        since = time.monotonic() + FIRST_WORD
        while True:
            self.idle[writer] = since
            line = await reader.readline()
            self.idle.pop(writer, None)
            since = 0.0
            if not line.endswith(b"\n"):
                break
            self.busy += 1
            reply = await answer(line)
            writer.write(reply * (2 if self.fault == "answers-twice" and line.endswith(b"7\n") else 1))
            self.busy -= 1
        writer.close()

    async def echo(self, line):
        return line

    async def call(self, line):
        request = json.loads(line)
        args = request.get("args", {})
        if request["function"] == "sleep":
            await asyncio.sleep(args["seconds"])
        result = {
            "echo": args.get("value"),
            "sleep": args.get("seconds"),
            "version": self.version,
            "worker": {"pid": os.getpid(), "id": 0, "name": "task", "master": os.getppid()},
        }[request["function"]]
        return json.dumps({"id": request.get("id"), "result": result}).encode() + b"\n"


class Master:
    def __init__(self, ports, pid_file, version, fault):
        self.ports, self.pid_file, self.version, self.fault = ports, Path(pid_file), version, fault
        self.pids, self.leaving = set(), set()

    def run(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.bind()
        self.pid_file.write_text(f"{os.getpid()}\n")
        self.fork_all()
        while (got := signal.sigwait(SIGNALS)) not in (signal.SIGTERM, signal.SIGINT):
            self.reload() if got == signal.SIGUSR1 else self.reap()
        self.tell(self.pids | self.leaving)
        while self.pids | self.leaving:
            self.forget(os.waitpid(-1, 0)[0])
        self.pid_file.unlink()

    def bind(self):
        self.listeners = [socket.create_server(("127.0.0.1", port), backlog=1024) for port in self.ports]

    def fork_all(self):
        self.pids = {self.fork() for _ in range(WORKERS)}

    def fork(self):
        if pid := os.fork():
            return pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            asyncio.run(Worker(self.listeners, self.version, self.fault).main())
        finally:
            os._exit(0)

    def reload(self):
        old = self.pids
        if self.fault == "reload-closes-listener":
            for listener in self.listeners:
                listener.close()
            self.tell(old)
            time.sleep(0.1)
            self.bind()
        if self.fault != "reload-does-nothing":
            self.leaving |= old
            self.fork_all()
            time.sleep(0.1)
            self.tell(old)

    def tell(self, pids):
        for pid in pids:
            os.kill(pid, signal.SIGTERM)

    def reap(self):
        try:
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self.forget(pid)
        except ChildProcessError:
            pass

    def forget(self, pid):
        self.pids.discard(pid)
        self.leaving.discard(pid)


def main():
    command, *rest = sys.argv[1:]
    if command == "serve":
        text, task, pid_file, version, *fault = rest
        Master((int(text), int(task)), pid_file, version, *(fault or [""])).run()
        return
    pid = int(Path(rest[0]).read_text())
    os.kill(pid, {"reload": signal.SIGUSR1, "stop": signal.SIGTERM}[command])
    while command == "stop" and Path(rest[0]).exists():
        time.sleep(0.01)


if __name__ == "__main__":
    main()
