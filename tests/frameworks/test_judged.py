"""Starlette on a worker, judged by the suite: bodies and connections as the bridge passes them on."""

import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).with_name("judged.toml")
TOPICS = ("chunked", "connection", "echo", "expect", "head", "length", "limit", "pipelining", "segments")
TOPICS += ("event", "smuggling", "upload")


def test_the_bridge_conforms() -> None:
    only = [word for topic in TOPICS for word in ("--only", f"http/{topic}/*")]
    command = [sys.executable, "-m", "conformance.cli", "run", str(TARGET), "-n", "2", *only]
    done = subprocess.run(
        [*command, "--only", "http/timeout/*body*"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
