"""Bytes for human eyes: an excerpt for a sentence, lines of hex and text for a report."""

EXCERPT = 32
"""Bytes shown inside a sentence."""


def excerpt(data: bytes, limit: int = EXCERPT) -> str:
    """Python's spelling of the first bytes, with the whole length where something is left out."""
    if len(data) <= limit:
        return repr(data)[1:]
    return f"{repr(data[:limit])[1:]}… ({len(data)} bytes)"


def as_hex(data: bytes, limit: int = EXCERPT) -> str:
    """Pairs of hex digits, blank separated, of the first `limit` bytes."""
    return data[:limit].hex(" ") + (" …" if len(data) > limit else "")


def as_text(data: bytes, limit: int = EXCERPT) -> str:
    """One character for each byte: itself where it prints, `·` where it does not."""
    shown = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in data[:limit])
    return shown + ("…" if len(data) > limit else "")
