"""Certificates for tests, made by the openssl command."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def folder() -> Path:
    """Where they are, as long as the tests run."""
    made = Path(tempfile.mkdtemp(prefix="refworker-certificates-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def openssl(*words: object) -> None:
    """Run one command."""
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


@functools.cache
def self_signed(name: str, passphrase: str = "") -> tuple[Path, Path]:
    """Certificate and key, for `name` and 127.0.0.1."""
    cert, key = folder() / f"{name}{passphrase}.pem", folder() / f"{name}{passphrase}.key"
    secret = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    openssl("req", "-x509", *kind, *secret, "-days", 2, *names, "-keyout", key, "-out", cert)
    return cert, key


@functools.cache
def together(name: str) -> Path:
    """Certificate and key in one file."""
    both = folder() / f"{name}-both.pem"
    both.write_bytes(b"".join(part.read_bytes() for part in self_signed(name)))
    return both
