"""WebSocket: how much a compressed message may say (RFC 7692, section 8; RFC 6455, section 10.4; WSD-010).

The limit counts what a message inflates to. Zeros come a thousand to one, so whoever inflates first and then
counts is stopped by a quarter of a mebibyte. That it was so shows in the greatest memory that the target ever
had, also where all of it has been given back.
"""

import zlib

from conformance.case import Violation, case
from conformance.cases.compressed import behind, compressing, exchange, pieces, squeezed
from conformance.cases.dialogue import fails
from conformance.cases.patience import little_at_most
from conformance.exchange import ECHOED, FAILED
from conformance.target.view import Target
from conformance.wire.deflate import Recipe, deflate
from conformance.wire.websocket import Opcode

MEBIBYTE = 1024 * 1024
BOMB = 256
"""Mebibytes of zeros in a bomb, in as many kibibytes."""

LIMIT = ("limits.max_package_size",)
REFUSED = {"echoed": "pass", "failed": "info", "other-code": "info", "dropped": "info"}
"""A message within the limit whose compressed form is not: bounds on both are in wide use."""


def zeros(mebibytes: int) -> bytes:
    """The payload of so many mebibytes of zeros; made of equal parts, so that it costs us nothing."""
    part = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (part.compress(bytes(MEBIBYTE)) + part.flush(zlib.Z_FULL_FLUSH)) * mebibytes + b"\0"


@case(
    "websocket/deflate/limit-exact",
    service="websocket",
    requirements=("WSD-010",),
    accept=ECHOED,
    needs=LIMIT,
)
def test_limit_exact(target: Target) -> str:
    """A message that inflates to exactly the limit is echoed, whole and in fragments, more than once."""
    body = (b"ten bytes " * (target.limits["max_package_size"] // 10 + 1))[
        : target.limits["max_package_size"]
    ]
    with compressing(target) as peer:
        exchange(peer, Opcode.BINARY, body)
        exchange(peer, Opcode.TEXT, body, size=100)
        exchange(peer, Opcode.BINARY, body, Recipe(cuts=(1, len(body) // 2)), size=len(body) // 2)
        return behind(peer)


@case(
    "websocket/deflate/limit-exact-noise",
    service="websocket",
    requirements=("WSD-010",),
    accept=REFUSED,
    needs=LIMIT,
)
def test_limit_exact_noise(target: Target) -> str:
    """Noise of exactly the limit, which its compressed form exceeds by some bytes: it is what it says."""
    body = target.random.randbytes(target.limits["max_package_size"])
    with compressing(target) as peer:
        peer.send(squeezed(Opcode.BINARY, *pieces(deflate(body), 65536)))
        try:
            return fails(peer, 1009)
        except Violation as violation:
            if violation.outcome != "served":
                raise
    with compressing(target) as peer:
        exchange(peer, Opcode.BINARY, body)
        return behind(peer)


@case(
    "websocket/deflate/limit-one-more",
    service="websocket",
    requirements=("WSD-010",),
    accept=FAILED,
    needs=LIMIT,
)
def test_limit_one_more(target: Target) -> str:
    """A message that inflates to one byte more fails with 1009."""
    with compressing(target) as peer:
        peer.send(squeezed(Opcode.BINARY, deflate(bytes(target.limits["max_package_size"] + 1))))
        return fails(peer, 1009)


@case(
    "websocket/deflate/limit-sum-of-fragments",
    service="websocket",
    requirements=("WSD-010",),
    accept=FAILED,
    needs=LIMIT,
)
def test_limit_sum_of_fragments(target: Target) -> str:
    """Fragments that inflate to less than the limit each, and to more together, fail with 1009."""
    half = target.limits["max_package_size"] // 2 + 1
    payload = deflate(bytes(2 * half), recipe=Recipe(cuts=(half,)))
    middle = len(payload) // 2
    with compressing(target) as peer:
        peer.send(squeezed(Opcode.BINARY, payload[:middle], payload[middle:]))
        return fails(peer, 1009)


@case(
    "websocket/deflate/limit-not-for-the-sum",
    service="websocket",
    requirements=("WSD-010",),
    accept=ECHOED,
    needs=LIMIT,
)
def test_limit_not_for_the_sum(target: Target) -> str:
    """Several messages may inflate to more than the limit in sum."""
    body = bytes(target.limits["max_package_size"] // 2 + 1)
    with compressing(target) as peer:
        for size in (0, 50, 0):
            exchange(peer, Opcode.BINARY, body, size=size)
        return behind(peer)


@case("websocket/deflate/bomb", service="websocket", requirements=("WSD-010",), accept=FAILED, needs=LIMIT)
def test_bomb(target: Target) -> str:
    """A frame of 256 KiB that inflates to 256 MiB fails with 1009, and was never inflated."""
    with little_at_most(target), compressing(target) as peer:
        peer.send(squeezed(Opcode.BINARY, zeros(BOMB)))
        return fails(peer, 1009)


@case(
    "websocket/deflate/bomb-in-fragments",
    service="websocket",
    requirements=("WSD-010",),
    accept=FAILED,
    needs=LIMIT,
)
def test_bomb_in_fragments(target: Target) -> str:
    """The same in thousands of fragments of 100 bytes, none of which says much by itself."""
    with little_at_most(target), compressing(target) as peer:
        peer.send(squeezed(Opcode.BINARY, *pieces(zeros(BOMB), 100)))
        return fails(peer, 1009)


@case(
    "websocket/deflate/bomb-without-end",
    service="websocket",
    requirements=("WSD-010",),
    accept={**FAILED, "late": "weak"},
    needs=LIMIT,
)
def test_bomb_without_end(target: Target) -> str:
    """The first fragment says too much already, the last never comes: it is refused without it."""
    payload = zeros(2 + 2 * target.limits["max_package_size"] // MEBIBYTE)
    with compressing(target) as peer:
        frames = squeezed(Opcode.BINARY, payload, b"")
        peer.send(frames[:-6])  # the last one is its header and its mask
        try:
            peer.silent()
        except Violation:
            return fails(peer, 1009)
        peer.send(frames[-6:])
        fails(peer, 1009)
    return "late"


@case(
    "websocket/deflate/bombs-beside",
    service="websocket",
    requirements=("WSD-010",),
    accept={"unharmed": "pass"},
    needs=LIMIT,
)
def test_bombs_beside(target: Target) -> str:
    """Eight bombs one after the other: one beside them is answered meanwhile, with its context."""
    payload = zeros(BOMB)
    with compressing(target) as bystander:
        for _ in range(8):
            with compressing(target) as peer:
                peer.send(squeezed(Opcode.BINARY, payload))
                behind(bystander)
                fails(peer, 1009)
        behind(bystander)
    return "unharmed"
