"""A Redis server of a test's own: on a Unix socket in its folder, in memory alone."""

import shutil
import signal
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

PROGRAM = "redis-server"
PATIENCE = 10.0


def missing() -> str | None:
    """What is not installed here, and how it comes."""
    if not shutil.which(PROGRAM):
        return "no Redis server is installed here; apt-get install redis-server"
    return None if find_spec("redis") else "the client of Redis is not installed here; pip install redis"


class RedisServer:
    """May be started, stopped, and started again at the same place, with nothing in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"unix://{self.path}"

    def start(self) -> None:
        """Returns when it answers."""
        options = ("--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no")
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, *options], cwd=self.folder, stdout=log, stderr=log)
        end = monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "redis.log").read_text()
            assert monotonic() < end, "the Redis server is not ready in time"
            sleep(0.005)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            try:
                sock.connect(str(self.path))
            except OSError:
                return False
            sock.sendall(b"PING\r\n")
            return sock.recv(16) == b"+PONG\r\n"

    def freeze(self) -> None:
        """From now on it takes connections, and says nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """It is gone, and what it knew with it."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.path.unlink(missing_ok=True)
