"""The fresh folder of one copy of a target, and the files that its placeholders name.

Nothing is made before it is asked for: a target without TLS needs no certificate.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from conformance.outcomes import TargetDown
from conformance.target.fill import fill
from conformance.target.ports import claim_port
from conformance.target.site import fill_site

VERSION = "version 1\n"
"""What `{version}` holds at first; a lifecycle case may write something else there."""


class Folder:
    """A folder of its own under the system's temporary one; `lookup` gives the values of placeholders.

    `more` are placeholders of its own.
    """

    def __init__(self, **more: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="conformance-"))
        self.temporary = Path(tempfile.mkdtemp(prefix="conformance-"))
        """What TMPDIR says to the copy: where its own temporary files are, if it listens to that."""
        self._values: dict[str, str] = {"dir": str(self.path), "python": sys.executable, **more}
        self._claims: list[socket.socket] = []
        self._makers: dict[str, Callable[[], Path]] = {
            "static": self._make_static,
            "version": self._make_version,
            "outbox": self._make_outbox,
            "cert": self._make_certificate,
            "key": self._make_certificate,
        }

    def lookup(self, name: str) -> str:
        """The value of a placeholder, always the same for this copy. Raises KeyError for an unknown one."""
        if name not in self._values:
            made = self._claim() if name.startswith("port.") else self._makers[name]()
            self._values.setdefault(name, str(made))  # a certificate brings its key along
        return self._values[name]

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Ours, with TMPDIR and these variables filled in: what a process of the copy is started with."""
        filled = {name: fill(value, self.lookup) for name, value in env.items()}
        return {**os.environ, "TMPDIR": str(self.temporary), **filled}

    def remove(self) -> None:
        """Delete the folder with everything in it, and give the ports back."""
        for claim in self._claims:
            claim.close()
        for path in (self.path, self.temporary):
            shutil.rmtree(path, ignore_errors=True)

    def _claim(self) -> int:
        port, claim = claim_port()
        self._claims.append(claim)
        return port

    def _make_static(self) -> Path:
        return fill_site(self.path)

    def _make_version(self) -> Path:
        version = self.path / "version.txt"
        version.write_text(VERSION, encoding="utf-8")
        return version

    def _make_outbox(self) -> Path:
        outbox = self.path / "outbox.jsonl"
        outbox.touch()
        return outbox

    def _make_certificate(self) -> Path:
        """The certificate and its key, `cert` and `key`, come together."""
        cert, key = self.path / "cert.pem", self.path / "key.pem"
        for path, content in zip((cert, key), certificate(), strict=True):
            path.write_bytes(content)
        self._values["cert"], self._values["key"] = str(cert), str(key)
        return cert


@cache
def certificate() -> tuple[bytes, bytes]:
    """A self-signed certificate for localhost and its key, both as PEM: one pair for all copies of a process.

    Raises TargetDown where there is no openssl command.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
        command += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]  # quickly made, and known to everybody
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        try:
            subprocess.run(
                [*command, *names, "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60
            )
        except (OSError, subprocess.SubprocessError) as problem:
            raise TargetDown(f"{{cert}} needs the openssl command, which failed: {problem}") from problem
        return cert.read_bytes(), key.read_bytes()
