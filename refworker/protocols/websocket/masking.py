"""Masking (RFC 6455 section 5.3): XOR with a key of four bytes; doing it again undoes it.

Python has no fast loop over bytes, but two things that are: integers of any length, best for short payloads,
and `translate`, which can XOR a quarter of the payload at once, since every fourth byte meets the same byte
of the key. Where the extra `fast` has brought a compiled function, that does it twenty times as fast.
"""

from collections.abc import Callable

Mask = Callable[[bytes, bytes], bytes]

compiled: Mask | None = None
"""The compiled function, once it is wanted and there."""


def speed_up() -> None:
    """Use the compiled function from now on, if it is there. Its import takes a while, so nobody pays for it
    who speaks no WebSocket.
    """
    global compiled
    try:
        from websockets.speedups import apply_mask
    except ImportError:
        return
    compiled = apply_mask


LANES_FROM = 1024
"""Bytes from which four translations beat one long integer; between 512 and 4096 on the machines measured."""


def xor_short(payload: bytes, key: bytes) -> bytes:
    """XOR as one long integer."""
    length = len(payload)
    pattern = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(payload) ^ int.from_bytes(pattern)).to_bytes(length)


XOR = [xor_short(bytes(range(256)), bytes([byte]) * 4) for byte in range(256)]
"""For each byte of a key, the table that `translate` wants."""


def in_python(payload: bytes, key: bytes) -> bytes:
    """Mask without help."""
    if len(payload) < LANES_FROM:
        return xor_short(payload, key)
    lanes = bytearray(payload)
    for lane in range(4):
        lanes[lane::4] = lanes[lane::4].translate(XOR[key[lane]])
    return bytes(lanes)


def mask(payload: bytes, key: bytes) -> bytes:
    """The payload XORed with the key of four bytes."""
    return compiled(payload, key) if compiled else in_python(payload, key)
