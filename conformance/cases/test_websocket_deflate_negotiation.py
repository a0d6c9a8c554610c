"""WebSocket: which offer of permessage-deflate is accepted, and how (RFC 7692, section 7.1; WSD-001 to 004).

Every answer is held against the offers by `conformance.wire.deflate.agreed`, which refuses whatever a client
has to fail the connection for. An offer that cannot be accepted is declined (7.1), which means that the
handshake goes on without it; servers that refuse the request for it go too far, and are reported as weak.
"""

from contextlib import ExitStack
from itertools import product

from conformance.case import Violation, case
from conformance.cases.compressed import (
    behind,
    compressing,
    each_answer,
    exchange,
    response,
    squeezed,
    supported,
    worst,
)
from conformance.cases.dialogue import fails, opened, sentinel, text
from conformance.exchange import ECHOED, FAILED
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.deflate import NAME
from conformance.wire.websocket import Opcode

REFUSED = {"refused": "weak", "dropped": "weak"}
DECLINED = {"declined": "pass", **REFUSED}
AGREED = {"agreed": "pass", "agreed-silently": "weak", "declined": "weak", **REFUSED}
"""Declining is always allowed, so a server that accepts the plain offer and not this one is just less than it
could be."""

EITHER = {"agreed": "pass", "declined": "pass", "agreed-silently": "weak", **REFUSED}

UNKNOWN = ("foo", "foo=1", "server_max_window_bit=10", "max_window_bits=10", "x-webkit-deflate-frame")
REPEATED = (
    "server_no_context_takeover; server_no_context_takeover",
    "client_no_context_takeover; client_no_context_takeover",
    "server_max_window_bits=10; server_max_window_bits=10",
    "server_max_window_bits=10; server_max_window_bits=11",
    "client_max_window_bits; client_max_window_bits",
    "client_max_window_bits; client_max_window_bits=10",
)
NO_BITS = ("=0", "=1", "=7", "=16", "=99", "=100", "=-10", "=ten")
ILLEGAL = (
    "server_max_window_bits",
    *(f"server_max_window_bits{value}" for value in NO_BITS),
    *(f"client_max_window_bits{value}" for value in NO_BITS),
    *("server_no_context_takeover=1", "server_no_context_takeover=true"),
    *("client_no_context_takeover=0", "client_no_context_takeover=15"),
)
"""Parameters of an offer with values that they cannot have (7.1.1, 7.1.2)."""


NUMERALS = ("08", "010", "0x0a", "1e1", "+10", "10.0")
"""Numbers for many a language, and none here: decimal digits without leading zeros are (7.1.2)."""

MALFORMED = (
    f"{NAME}; server_max_window_bits=",
    f"{NAME}; =10",
    f"{NAME};; client_max_window_bits",
    f'{NAME}; server_max_window_bits="10',
    f'{NAME}; server_max_window_bits="1 0"',
    f"{NAME}; server max window bits=10",
    "; server_max_window_bits=10",
)
"""What the grammar of RFC 6455, section 9.1 does not have."""

SEVERAL = 6
"""Connections at once: more than a target has processes for them, as a rule."""

HELLO = bytes.fromhex("f248cdc9c90700")


def offers(parameters: tuple[str, ...]) -> list[tuple[str]]:
    """One list of offers for each, with one offer in it."""
    return [(f"{NAME}; {each}",) for each in parameters]


# --- nothing is agreed on --------------------------------------------------------------------------------


@case("websocket/deflate/not-offered", service="websocket", requirements=("WSD-001",), accept=ECHOED)
def test_not_offered(target: Target) -> str:
    """Nobody offers an extension: none is in the answer, and what comes back is not compressed."""
    key = websocket.new_key()
    with target.connect() as peer:
        head = websocket.handshake(peer, key=key)
        websocket.accepted(head, key)
        if any(name == websocket.EXTENSIONS for name, _ in head.headers):
            raise Violation(
                "wrong-answer", "an extension that nobody offered is in the response (RFC 6455, 9.1)"
            )
        peer.send(text(b"a" * 2000))
        websocket.expect(peer, Opcode.TEXT, b"a" * 2000)
        return sentinel(peer)


@case("websocket/deflate/not-agreed-marked", service="websocket", requirements=("WSD-001",), accept=FAILED)
def test_not_agreed_marked(target: Target) -> str:
    """A compressed message where nothing was agreed on, or where the offer had to be declined, fails."""
    endings = []
    for fields in ((), (f"{NAME}; foo",), ("x-unknown",)):
        with target.connect() as peer:
            if response(peer, fields) != "declined":
                continue  # a request that was refused for its offer is the business of other cases
            peer.send(squeezed(Opcode.TEXT, HELLO) + text(b"behind"))
            endings.append(fails(peer, 1002))
    return worst(FAILED, endings)


@case("websocket/deflate/others-offered", service="websocket", requirements=("WSD-001",), accept=DECLINED)
def test_others_offered(target: Target) -> str:
    """Extensions of other names, similar ones among them, are not agreed to."""
    supported(target)
    names = ("permessage-bzip2", "deflate-frame", f"{NAME}2", f"x-{NAME}", "permessage; deflate")
    return each_answer(target, DECLINED, [(name,) for name in names])


@case("websocket/deflate/unknown-parameter", service="websocket", requirements=("WSD-002",), accept=DECLINED)
def test_unknown_parameter(target: Target) -> str:
    """An offer with a parameter that nobody knows is declined, alone and behind known ones."""
    supported(target)
    among = tuple(f"client_max_window_bits; {each}; server_no_context_takeover" for each in UNKNOWN)
    return each_answer(target, DECLINED, offers(UNKNOWN + among))


@case("websocket/deflate/repeated-parameter", service="websocket", requirements=("WSD-002",), accept=DECLINED)
def test_repeated_parameter(target: Target) -> str:
    """An offer with a parameter that stands twice is declined, whether the values agree or not."""
    supported(target)
    return each_answer(target, DECLINED, offers(REPEATED))


@case("websocket/deflate/illegal-value", service="websocket", requirements=("WSD-002",), accept=DECLINED)
def test_illegal_value(target: Target) -> str:
    """An offer whose parameter has a value that it cannot have is declined."""
    supported(target)
    return each_answer(target, DECLINED, offers(ILLEGAL))


@case("websocket/deflate/other-numerals", service="websocket", requirements=("WSD-002",), accept=DECLINED)
def test_other_numerals(target: Target) -> str:
    """An offer with bits in another spelling, leading zeros among them, is declined."""
    supported(target)
    sides = ("server", "client")
    return each_answer(
        target, DECLINED, offers(tuple(f"{side}_max_window_bits={n}" for side in sides for n in NUMERALS))
    )


@case(
    "websocket/deflate/malformed-offer",
    service="websocket",
    requirements=("WSD-002",),
    accept={"declined": "pass", "refused": "pass", "dropped": "pass"},
)
def test_malformed_offer(target: Target) -> str:
    """A field that the grammar does not have is not agreed to; failing the handshake for it is right, too."""
    supported(target)
    table = dict.fromkeys(("declined", "refused", "dropped"), "pass")
    return each_answer(target, table, [(field,) for field in MALFORMED])


# --- one of several --------------------------------------------------------------------------------------


@case("websocket/deflate/later-offer", service="websocket", requirements=("WSD-002",), accept=AGREED)
def test_later_offer(target: Target) -> str:
    """Behind an offer that has to be declined stands a good one: that is accepted."""
    supported(target)
    bad = ("foo", REPEATED[0], "server_max_window_bits=99", "client_max_window_bits=07")
    return each_answer(target, AGREED, [(f"{NAME}; {each}, {NAME}",) for each in bad])


@case("websocket/deflate/several-fields", service="websocket", requirements=("WSD-002",), accept=AGREED)
def test_several_fields(target: Target) -> str:
    """Several header fields are one list (RFC 6455, 9.1): the good offer is in the second."""
    supported(target)
    return each_answer(target, AGREED, [("x-unknown", NAME), (f"{NAME}; foo=1", "x-unknown; a=b, " + NAME)])


@case("websocket/deflate/other-among-offers", service="websocket", requirements=("WSD-002",), accept=AGREED)
def test_other_among_offers(target: Target) -> str:
    """Offers of other extensions, before and behind, with parameters of the same names, do not matter."""
    supported(target)
    return each_answer(
        target,
        AGREED,
        [(f"x-unknown, {NAME}",), (f"{NAME}, x-unknown",), (f"x-unknown; server_max_window_bits=3, {NAME}",)],
    )


@case("websocket/deflate/alternatives", service="websocket", requirements=("WSD-002",), accept=AGREED)
def test_alternatives(target: Target) -> str:
    """Of several good offers one is accepted, and the answer is within that one, not within their mixture."""
    supported(target)
    lists = (
        f"{NAME}; server_no_context_takeover; server_max_window_bits=10, {NAME}; client_max_window_bits",
        f"{NAME}; client_max_window_bits=10, {NAME}; server_max_window_bits=11, {NAME}",
        f"{NAME}; server_max_window_bits=8, {NAME}; server_no_context_takeover",
    )
    return each_answer(target, AGREED, [(each,) for each in lists])


@case("websocket/deflate/quoted-value", service="websocket", requirements=("WSD-002",), accept=AGREED)
def test_quoted_value(target: Target) -> str:
    """A quoted value means the same as one without quotes (RFC 6455, 9.1)."""
    supported(target)
    return each_answer(target, AGREED, offers(('server_max_window_bits="10"', 'client_max_window_bits="11"')))


@case("websocket/deflate/odd-blanks", service="websocket", requirements=("WSD-002",), accept=AGREED)
def test_odd_blanks(target: Target) -> str:
    """Blanks and tabs between the parts, or none at all, mean nothing."""
    supported(target)
    spelt = (
        f"{NAME};client_max_window_bits;server_max_window_bits=12",
        f"{NAME} ;\tclient_max_window_bits  ;  server_max_window_bits=12\t",
        f"x-unknown,{NAME};client_max_window_bits=12",
    )
    return each_answer(target, AGREED, [(each,) for each in spelt])


# --- the answer ------------------------------------------------------------------------------------------


@case("websocket/deflate/agreed", service="websocket", requirements=("WSD-001", "WSD-006"), accept=ECHOED)
def test_agreed(target: Target) -> str:
    """The plain offer is accepted: messages of both kinds come back, compressed or not."""
    with compressing(target) as peer:
        exchange(peer, Opcode.TEXT, "größer, größer, am größten".encode())
        exchange(peer, Opcode.BINARY, bytes(range(256)) * 4)
        return behind(peer)


@case(
    "websocket/deflate/client-window-unasked", service="websocket", requirements=("WSD-004",), accept=ECHOED
)
def test_client_window_unasked(target: Target) -> str:
    """Who does not say that its own window can be limited is not told to do so (7.1.2.2)."""
    for more in ("", "; client_no_context_takeover", "; server_max_window_bits=15"):
        with compressing(target, NAME + more) as peer:
            behind(peer)
    return "echoed"


@case("websocket/deflate/takeover-granted", service="websocket", requirements=("WSD-003",), accept=EITHER)
def test_takeover_granted(target: Target) -> str:
    """`server_no_context_takeover` is answered with itself, or the offer declined (7.1.1.1)."""
    supported(target)
    return each_answer(
        target,
        EITHER,
        offers(("server_no_context_takeover", "client_no_context_takeover; server_no_context_takeover")),
    )


@case(
    "websocket/deflate/server-window-granted", service="websocket", requirements=("WSD-004",), accept=EITHER
)
def test_server_window_granted(target: Target) -> str:
    """`server_max_window_bits` is answered with its value or less, or the offer is declined (7.1.2.1)."""
    supported(target)
    return each_answer(target, EITHER, offers(tuple(f"server_max_window_bits={n}" for n in range(8, 16))))


@case(
    "websocket/deflate/client-window-granted", service="websocket", requirements=("WSD-004",), accept=EITHER
)
def test_client_window_granted(target: Target) -> str:
    """`client_max_window_bits`, with a hint or without: whatever is answered has a value, a legal one."""
    supported(target)
    hints = ("", *(f"={bits}" for bits in range(8, 16)))
    return each_answer(target, EITHER, offers(tuple(f"client_max_window_bits{hint}" for hint in hints)))


@case(
    "websocket/deflate/any-parameters",
    service="websocket",
    requirements=("WSD-003", "WSD-004"),
    accept=EITHER,
)
def test_any_parameters(target: Target) -> str:
    """All four parameters in many combinations and orders: each is answered within the offer, or declined."""
    supported(target)
    random = target.random
    windows = ("", *(str(bits) for bits in range(8, 16)))
    combinations = list(product((False, True), (False, True), (None, *windows[1:]), (None, *windows)))
    spelt = [
        _shuffled(target, combination, order)
        for order, combination in enumerate(random.sample(combinations, 60))
    ]
    return each_answer(target, EITHER, [(each,) for each in spelt])


def _shuffled(target: Target, combination: tuple[bool, bool, str | None, str | None], order: int) -> str:
    """An offer with these parameters, in one of their orders."""
    server, client, theirs, ours = combination
    parameters = ["server_no_context_takeover"] * server + ["client_no_context_takeover"] * client
    parameters += [] if theirs is None else [f"server_max_window_bits={theirs}"]
    parameters += [] if ours is None else [f"client_max_window_bits{ours and f'={ours}'}"]
    at = order % max(1, len(parameters))
    return "; ".join([NAME, *parameters[at:], *parameters[:at]])


@case("websocket/deflate/apart", service="websocket", requirements=("WSD-001", "TCP-002"), accept=ECHOED)
def test_connections_apart(target: Target) -> str:
    """Connections with and without the extension, in turns: each keeps its own agreement and window."""
    with opened(target) as plain, ExitStack() as stack:
        several = [stack.enter_context(compressing(target)) for _ in range(SEVERAL)]
        for turn in range(3):
            for number, peer in enumerate(several):
                exchange(peer, Opcode.TEXT, b"number %d says nearly the same, turn %d" % (number, turn))
            plain.send(text(b"plain words, turn after turn"))
            websocket.expect(plain, Opcode.TEXT, b"plain words, turn after turn")
        for peer in several:
            behind(peer)
        return sentinel(plain)
