"""What is printed for people, and that it comes whole."""

import sys

from refworker.callbacks import logger


def say(text: str) -> None:
    """Print for whoever is there; a service does not end because its terminal has."""
    try:
        print(text, flush=True)
    except OSError:
        logger.info("%s", text)


def flush_output() -> None:
    """Write out what was printed: before a fork, that it is not printed twice; at the end, that it is not
    lost (LIFE-023).
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # the reader has gone or the stream is closed: nothing to save
