"""Masking (RFC 6455 section 5.3): XOR with a key of four bytes; doing it again undoes it.

Python has no fast loop over bytes, but two things that are: integers of any length, best for short payloads,
and `translate`, which can XOR a quarter of the payload at once, since every fourth byte meets the same byte
of the key. Where the extra `fast` has brought a compiled function, that does it twenty times as fast.
"""

from collections.abc import Callable

try:
    from websockets.speedups import apply_mask
except ImportError:
    compiled: Callable[[bytes, bytes], bytes] | None = None
else:
    compiled = apply_mask

LANES_FROM = 1024
"""Bytes from which four translations beat one long integer; between 512 and 4096 on the machines measured."""


def xor_short(payload: bytes, key: bytes) -> bytes:
    """XOR as one long integer."""
    length = len(payload)
    pattern = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(length, "big")


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


mask = compiled or in_python
"""The payload XORed with the key of four bytes."""
