"""WebSocket: compressed messages of all sizes, in all fragments (WSD-011; Autobahn, groups 12 and 13).

Autobahn sends a thousand messages a case and measures time. Here there are enough for a context to wrap
around several times, and for every buffer to have an edge, and their answers are read more strictly.
"""

import json
from collections.abc import Callable
from random import Random

from conformance.case import case
from conformance.cases.compressed import behind, compressing, deflated, exchange
from conformance.cases.dialogue import answered
from conformance.exchange import ECHOED, Message, naming
from conformance.target.view import Target
from conformance.wire.deflate import NAME
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode

SIZES = tuple(2**power for power in (4, 6, 8, 10, 12, 13, 14, 15, 16, 17))
ROWS = (
    *((size, 0) for size in SIZES),
    *((size, 256) for size in SIZES[-5:]),
    *((SIZES[-1], fragment) for fragment in (1024, 4096, 32768)),
)
"""Bytes of a message, and of its fragments, as in Autobahn's groups 12 and 13."""

EDGES = (0, 1, 2, 3, 5, 125, 126, 127, 257, 258, 259, 32767, 32768, 32769, 65535, 65536, 131072)
"""Sizes at which a frame's header, a reference or a window changes."""

ENOUGH = 32768
"""Bytes for each row, a window full; at least one message, and at most `MANY`."""

MANY = 60

WORDS = (
    "der",
    "die",
    "das",
    "und",
    "grüne",
    "Flasche",
    "hängt",
    "schräg",
    "über",
    "Köln",
    "fröhlich",
    "müde",
)

SIDE = 363
"""Dots of a picture, across and down: as many as the longest message has bytes."""


Content = Callable[[Random], bytes]


def records(random: Random) -> bytes:
    """JSON, as an interface would send it."""
    rows = [{"id": n, "name": f"name {random.randrange(500)}", "at": random.random()} for n in range(3000)]
    return json.dumps(rows).encode()


def picture(random: Random) -> bytes:
    """Brightness that changes slowly, with some noise, as of a photograph."""
    grain = random.randbytes(SIDE * SIDE)
    return bytes(
        (x * x // 900 + y // 3 + (grain[SIDE * y + x] & 3)) & 255 for y in range(SIDE) for x in range(SIDE)
    )


def prose(random: Random) -> bytes:
    """Words of a language, with letters of two bytes."""
    return " ".join(random.choice(WORDS) for _ in range(24_000)).encode()


def page(random: Random) -> bytes:
    """HTML: much markup, few words."""
    row = '<tr class="row"><td class="number">{}</td><td><a href="/item/{}">item</a></td></tr>\n'
    return "".join(row.format(n, random.randrange(10**6)) for n in range(1800)).encode()


def noise(random: Random) -> bytes:
    """What was compressed before, and does not get smaller."""
    return random.randbytes(SIZES[-1] + 1000)


def rows(target: Target, peer: Peer, kind: Opcode, content: bytes) -> str:
    """Messages of each row, all sent before the first answer is read; they begin anywhere in the content."""
    random, twice = target.random, content * 2
    most = target.limits.get("max_package_size", SIZES[-1])
    for size, fragment in ((size, fragment) for size, fragment in ROWS if size <= most):
        with naming(f"{size} bytes in fragments of {fragment or 'any size'}"):
            starts = [random.randrange(len(content)) for _ in range(max(1, min(MANY, ENOUGH // size)))]
            messages: list[Message] = [(kind, twice[start : start + size]) for start in starts]
            peer.send(b"".join(deflated(peer, message, size=fragment) for message in messages))
            answered(peer, messages)
    return behind(peer)


def sort(target: Target, content: Content, kind: Opcode = Opcode.BINARY) -> str:
    """All rows of one sort of content, with the plain offer."""
    with compressing(target) as peer:
        return rows(target, peer, kind, content(target.random)[: SIZES[-1]])


def terms(target: Target, *offers: str) -> str:
    """All rows of one sort of content, with these offers."""
    with compressing(target, ", ".join(NAME + offer for offer in offers)) as peer:
        return rows(target, peer, Opcode.TEXT, records(target.random)[: SIZES[-1]])


# --- sorts of content (group 12) -------------------------------------------------------------------------


@case("websocket/deflate/sort-records", service="websocket", requirements=("WSD-011",), accept=ECHOED)
def test_sort_records(target: Target) -> str:
    """JSON as text: 16 to 131072 bytes, whole and in fragments."""
    return sort(target, records, Opcode.TEXT)


@case("websocket/deflate/sort-picture", service="websocket", requirements=("WSD-011",), accept=ECHOED)
def test_sort_picture(target: Target) -> str:
    """Bytes as of a photograph: 16 to 131072 bytes, whole and in fragments."""
    return sort(target, picture)


@case("websocket/deflate/sort-prose", service="websocket", requirements=("WSD-011",), accept=ECHOED)
def test_sort_prose(target: Target) -> str:
    """Words with letters of two bytes: 16 to 131072 bytes, whole and in fragments."""
    return sort(target, prose)


@case("websocket/deflate/sort-page", service="websocket", requirements=("WSD-011",), accept=ECHOED)
def test_sort_page(target: Target) -> str:
    """HTML as text: 16 to 131072 bytes, whole and in fragments."""
    return sort(target, page, Opcode.TEXT)


@case("websocket/deflate/sort-noise", service="websocket", requirements=("WSD-011",), accept=ECHOED)
def test_sort_noise(target: Target) -> str:
    """What compression makes longer: 16 to 131072 bytes, whole and in fragments."""
    return sort(target, noise)


# --- terms (group 13) ------------------------------------------------------------------------------------

TAKEOVER, WINDOW = "; server_no_context_takeover", "; server_max_window_bits={}"
OURS = "; client_no_context_takeover; client_max_window_bits"


@case("websocket/deflate/terms-default", service="websocket", requirements=("WSD-011",), accept=ECHOED)
def test_terms_default(target: Target) -> str:
    """The plain offer: messages of all sizes, whole and in fragments."""
    return terms(target, "")


@case(
    "websocket/deflate/terms-no-takeover",
    service="websocket",
    requirements=("WSD-011", "WSD-003"),
    accept=ECHOED,
)
def test_terms_no_takeover(target: Target) -> str:
    """No takeover on their side: messages of all sizes, whole and in fragments."""
    return terms(target, TAKEOVER)


@case(
    "websocket/deflate/terms-window-9",
    service="websocket",
    requirements=("WSD-011", "WSD-004"),
    accept=ECHOED,
)
def test_terms_window_9(target: Target) -> str:
    """A window of 9 bits on their side: messages of all sizes, whole and in fragments."""
    return terms(target, WINDOW.format(9))


@case(
    "websocket/deflate/terms-window-15",
    service="websocket",
    requirements=("WSD-011", "WSD-004"),
    accept=ECHOED,
)
def test_terms_window_15(target: Target) -> str:
    """A window of 15 bits on their side, which is no limit: messages of all sizes, whole and in fragments."""
    return terms(target, WINDOW.format(15))


@case(
    "websocket/deflate/terms-no-takeover-9",
    service="websocket",
    requirements=("WSD-011", "WSD-003"),
    accept=ECHOED,
)
def test_terms_no_takeover_9(target: Target) -> str:
    """No takeover and 9 bits on their side: messages of all sizes, whole and in fragments."""
    return terms(target, TAKEOVER + WINDOW.format(9))


@case(
    "websocket/deflate/terms-no-takeover-15",
    service="websocket",
    requirements=("WSD-011", "WSD-003"),
    accept=ECHOED,
)
def test_terms_no_takeover_15(target: Target) -> str:
    """No takeover and 15 bits on their side: messages of all sizes, whole and in fragments."""
    return terms(target, TAKEOVER + WINDOW.format(15))


@case("websocket/deflate/terms-alternatives", service="websocket", requirements=("WSD-011",), accept=ECHOED)
def test_terms_alternatives(target: Target) -> str:
    """Three offers, the strictest first: messages of all sizes, whole and in fragments."""
    return terms(target, TAKEOVER + WINDOW.format(9), TAKEOVER, "")


@case("websocket/deflate/terms-ours", service="websocket", requirements=("WSD-011", "WSD-003"), accept=ECHOED)
def test_terms_ours(target: Target) -> str:
    """No takeover on our side, and a window that they may limit: messages of all sizes, in fragments."""
    return terms(target, OURS, "")


# --- edges -----------------------------------------------------------------------------------------------


@case("websocket/deflate/edges", service="websocket", requirements=("WSD-011", "WSD-006"), accept=ECHOED)
def test_edges(target: Target) -> str:
    """Sizes at which something changes, of one byte again and again, and of noise, up and down."""
    everything = noise(target.random)
    with compressing(target) as peer:
        for size in (*EDGES, *reversed(EDGES)):
            with naming(f"{size} bytes"):
                for body in (b"a" * size, everything[:size]):
                    exchange(peer, Opcode.BINARY, body)
        return behind(peer)
