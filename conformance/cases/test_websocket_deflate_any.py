"""WebSocket: compressed conversations that nobody thinks of, and spoilt ones (RFC 7692; WSD-009, WSD-011)."""

import zlib
from contextlib import suppress
from itertools import chain, pairwise, zip_longest

from hypothesis import strategies as st

from conformance.case import Unsupported, Violation, case
from conformance.cases.compressed import behind, codec, compressing, squeezed, supported, until_the_end
from conformance.cases.dialogue import answered, fragments, text
from conformance.exchange import ECHOED, SENTINEL, Message
from conformance.exploration import explore
from conformance.strategies import splits
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.blocks import TAIL
from conformance.wire.deflate import NAME, Recipe, deflate, inflate
from conformance.wire.peer import Peer
from conformance.wire.websocket import RSV1, Opcode, encode

windows = st.one_of(st.none(), st.integers(8, 15))
recipes = st.builds(
    Recipe,
    level=st.integers(0, 9),
    strategy=st.integers(0, 4),
    cuts=st.lists(st.integers(1, 300), max_size=3).map(tuple),
    flush=st.sampled_from([1, 2, 3, 5]),
)
"""zlib's levels, strategies, and flushes: partial, sync, full, block."""

words = st.tuples(st.just(Opcode.TEXT), st.text(max_size=60).map(str.encode))
data = st.tuples(st.just(Opcode.BINARY), st.binary(max_size=200))
again = st.tuples(st.just(Opcode.TEXT), st.sampled_from([b"", b"again and again", b"again and again " * 30]))
"""What comes twice in a conversation is what a context is for."""


@st.composite
def offers(draw: st.DrawFn) -> str:
    """The plain offer, or one with any of the parameters; behind it the plain one, for who declines it."""
    parameters = [
        name for name in ("server_no_context_takeover", "client_no_context_takeover") if draw(st.booleans())
    ]
    parameters += [
        f"{side}_max_window_bits={bits}" for side in ("server", "client") if (bits := draw(windows))
    ]
    return f"{'; '.join([NAME, *draw(st.permutations(parameters))])}, {NAME}"


Part = tuple[Message, bool, Recipe, list[int], list[bytes]]
"""A message, whether it is compressed and how, where its payload is cut, and pings among the fragments."""


@st.composite
def parts(draw: st.DrawFn) -> Part:
    """One message of a conversation."""
    message = draw(st.one_of(words, data, again))
    cuts = draw(st.lists(st.integers(0, 60), max_size=3))
    pings = draw(st.lists(st.binary(max_size=20), max_size=2))
    return message, draw(st.booleans()) or draw(st.booleans()), draw(recipes), cuts, pings


def frames_of(peer: Peer, part: Part) -> bytes:
    """The frames of a message, with its pings between them."""
    (opcode, body), compressed, recipe, cuts, pings = part
    payload = codec(peer).deflate(body, recipe) if compressed else body
    edges = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
    pieces = [payload[start:end] for start, end in pairwise(edges)]
    frames = fragments(opcode, pieces, RSV1 if compressed else 0)
    between = [encode(Opcode.PING, ping) for ping in pings]
    return b"".join(chain.from_iterable(zip_longest(between, frames, fillvalue=b"")))


@case(
    "websocket/deflate/any-conversation",
    service="websocket",
    requirements=("WSD-003", "WSD-004", "WSD-007", "WSD-011"),
    accept=ECHOED,
    explores=True,
)
def test_any_conversation(target: Target) -> str:
    """Any messages, compressed in any way or not at all, in any fragments and segments, on any terms."""
    supported(target)

    def check(example: tuple[str, list[Part], int]) -> None:
        offer, conversation, size = example
        with suppress(Unsupported), compressing(target, offer) as peer:
            stream = b"".join(frames_of(peer, part) for part in conversation)
            edge = size % (len(stream) + 1)
            peer.send(*filter(None, (stream[:edge], stream[edge:])))
            pings = [ping for part in conversation for ping in part[-1]]
            answered(peer, [part[0] for part in conversation], pings)
            behind(peer)

    examples = st.tuples(offers(), st.lists(parts(), min_size=1, max_size=5), st.integers(0, 5000))
    explore(target, examples, check, examples=60)
    return "echoed"


# --- spoilt streams --------------------------------------------------------------------------------------


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """The payload of a message with a bit turned, bytes put in or taken out, or its end cut off."""
    message = draw(st.one_of(words, data, again))[1]
    payload = bytearray(deflate(message, recipe=draw(recipes)))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(payload)))
        kind = draw(st.sampled_from(["bit", "insert", "delete", "cut"]))
        if kind == "bit" and at < len(payload):
            payload[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "insert":
            payload[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif kind == "delete":
            del payload[at : at + draw(st.integers(1, 3))]
        elif kind == "cut":
            del payload[at:]
    return bytes(payload)


@case(
    "websocket/deflate/spoilt-streams",
    service="websocket",
    requirements=("WSD-009",),
    accept={"unharmed": "pass"},
    explores=True,
)
def test_spoilt_streams(target: Target) -> str:
    """Streams with something wrong: what still inflates comes back, the rest fails, and nobody else cares.

    Where one just ends too early, or has a final block, either will do: cases of their own are about that.
    """

    def check(example: tuple[bytes, list[bytes]]) -> None:
        payload, pieces = example
        with compressing(target) as peer:
            peer.send(squeezed(Opcode.BINARY, *(pieces or [b""])) + text(SENTINEL))
            _judge(payload, _came(peer))
        behind(bystander)

    supported(target)
    with target.connect() as bystander:
        websocket.upgrade(bystander, NAME)
        cut = spoilt().flatmap(lambda payload: st.tuples(st.just(payload), splits(payload, 4)))
        explore(target, cut, check, examples=150)
    return "unharmed"


def _judge(payload: bytes, came: list[bytes]) -> None:
    """What came, up to the message behind, is the message if it was one, and nothing at all if it was not."""
    if (due := _due(payload)) is not None and came != due:
        raise Violation("wrong-answer", f"{due!r:.80} was due, {came!r:.80} came")


def _came(peer: Peer) -> list[bytes]:
    """The messages that come, up to the answer to the one behind, or to the end."""
    came = []
    for opcode, body in until_the_end(peer):
        if opcode is not Opcode.CLOSE:
            came.append(body)
        if body == SENTINEL:
            break
    return came


def _due(payload: bytes) -> list[bytes] | None:
    """What has to come for this payload, and for the message behind; None where that is hard to see."""
    stream = zlib.decompressobj(-15)
    try:
        stream.decompress(payload + TAIL)
    except zlib.error:
        return []
    try:
        return None if stream.eof else [inflate(payload), SENTINEL]
    except ValueError:
        return None
