"""TLS: which versions are spoken, what is shown, and who cannot shake hands (TLS-002, TLS-004, TLS-005)."""

import ssl
from contextlib import ExitStack
from pathlib import Path

from conformance.case import Violation, case
from conformance.cases.secure import ENDED, Handmade, bystander, dropped, exchange
from conformance.exploration import explore
from conformance.strategies import garbage
from conformance.target.view import Target
from conformance.wire.clock import clock
from conformance.wire.tls import ALERT, HANDSHAKE, Engine, old_hello, pinned, record

ECHOED = {"echoed": "pass"}
REFUSED = {"refused": "pass"}
UNHARMED = {"unharmed": "pass"}

CROWD = 50
"""Connections at once, of each kind."""

PATIENCE = 10.0
"""Seconds after which a target should give a handshake up (TLS-005)."""


def speaks(target: Target, version: ssl.TLSVersion, name: str) -> str:
    """A client that knows one version alone is served."""
    with target.connect(context=pinned(version)) as peer:
        if peer.tls and peer.tls.engine.version != name:
            raise Violation("other-version", f"{peer.tls.engine.version} was chosen")
        return exchange(peer, b"a line\n")


@case("tls/version/1.2", service="tls", requirements=("TLS-002",), accept=ECHOED)
def test_version_1_2(target: Target) -> str:
    """A client that knows nothing newer than TLS 1.2 is served."""
    return speaks(target, ssl.TLSVersion.TLSv1_2, "TLSv1.2")


@case("tls/version/1.3", service="tls", requirements=("TLS-002",), accept=ECHOED)
def test_version_1_3(target: Target) -> str:
    """A client that accepts nothing older than TLS 1.3 is served."""
    return speaks(target, ssl.TLSVersion.TLSv1_3, "TLSv1.3")


def refuses(target: Target, version: int) -> str:
    """A ClientHello that offers at most this version is answered with an alert, or with the end."""
    with target.connect(bare=True) as peer:
        peer.send(old_hello(version))
        answer = peer.rest()
    if answer[:1] == bytes([HANDSHAKE]):
        raise Violation("accepted", f"version {version:#06x} was accepted")
    if answer and answer[0] != ALERT:
        raise Violation("wrong-answer", f"an alert was due, {answer!r:.80} came")
    return "refused" if answer or peer.ended else "no-answer"


@case("tls/version/1.1-refused", service="tls", requirements=("TLS-002",), accept=REFUSED)
def test_version_1_1_refused(target: Target) -> str:
    """A client that knows nothing newer than TLS 1.1 is not served."""
    return refuses(target, 0x0302)


@case("tls/version/1.0-refused", service="tls", requirements=("TLS-002",), accept=REFUSED)
def test_version_1_0_refused(target: Target) -> str:
    """A client that knows nothing newer than TLS 1.0 is not served."""
    return refuses(target, 0x0301)


@case(
    "tls/certificate/from-the-target-file",
    service="tls",
    requirements=("TLS-001",),
    accept={"shown": "pass"},
    needs=("process",),
)
def test_from_the_target_file(target: Target) -> str:
    """The certificate is the one that the target was given, for every client."""
    given = ssl.PEM_cert_to_DER_cert(Path(target.copy.folder.lookup("cert")).read_text(encoding="ascii"))
    for _ in range(4):
        with target.connect() as peer:
            if peer.tls and peer.tls.engine.certificate != given:
                return "another"
    return "shown"


@case("tls/handshake/same-flight", service="tls", requirements=("TLS-001", "TLS-008"), accept=ECHOED)
def test_same_flight(target: Target) -> str:
    """A line in the same segment as the end of our handshake is answered, without anything more."""
    with Handmade(target, pinned(ssl.TLSVersion.TLSv1_3)) as client:
        client.greet()
        client.peer.send(client.shake() + client.engine.seal(b"at once\n"))
        client.expect(b"at once\n")
        return client.exchange(b"and on\n")


@case("tls/handshake/in-pieces", service="tls", requirements=("TLS-005",), accept=ECHOED)
def test_in_pieces(target: Target) -> str:
    """A handshake in many small segments, the header of the first record byte by byte, works."""

    def cut(flight: bytes) -> list[bytes]:
        head = [flight[at : at + 1] for at in range(6)]
        return [*head, *(flight[at : at + 40] for at in range(6, len(flight), 40))]

    with Handmade(target) as client:
        client.open(cut)
        return client.exchange(b"a line\n")


@case("tls/handshake/many-at-once", service="tls", requirements=("TLS-005",), accept=ECHOED)
def test_many_at_once(target: Target) -> str:
    """A hundred clients say hello before the first one goes on: all are served."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Handmade(target)) for _ in range(2 * CROWD)]
        for client in clients:
            client.greet()
        for client in reversed(clients):
            client.peer.send(client.shake())
        for number, client in enumerate(clients):
            client.exchange(b"client %d\n" % number)
    return "echoed"


@case("tls/handshake/silence-holds-up-nobody", service="tls", requirements=("TLS-005",), accept=UNHARMED)
def test_silence_holds_up_nobody(target: Target) -> str:
    """While many have sent nothing, or half a ClientHello, or one and nothing more, others are served."""
    hello = Engine(target.endpoint().host).shake()
    with bystander(target) as peer, ExitStack() as stack:
        for said in (b"", hello[:1], hello[: len(hello) // 2], hello):
            for _ in range(CROWD // 2):
                stack.enter_context(target.connect(bare=True)).send(said)
            exchange(peer, b"meanwhile\n")
            with target.connect() as newcomer:
                exchange(newcomer, b"meanwhile, too\n")
    return "unharmed"


@case(
    "tls/handshake/stalled-is-dropped",
    service="tls",
    requirements=("TLS-005",),
    accept={"dropped": "pass", "open": "weak"},
)
def test_stalled_is_dropped(target: Target) -> str:
    """Who has sent nothing, or half a ClientHello, is let go after some 10 seconds.

    How long a server waits is its own choice; one that waits for ever has no place left for others one day.
    """
    limit = clock() + PATIENCE + target.calibration.deadline
    with target.connect(bare=True) as silent, target.connect(bare=True) as half:
        half.send(Engine(target.endpoint().host).shake()[:50])
        for peer in (silent, half):
            peer.rest(limit - clock())
    return "dropped" if silent.ended and half.ended else "open"


def disturbs_nobody(target: Target, said: bytes) -> str:
    """The end of a bare connection that says this; somebody else is served as before."""
    with bystander(target), target.connect(bare=True) as peer:
        peer.send(said)
        return dropped(peer)


@case("tls/handshake/plain-text", service="tls", requirements=("TLS-004",), accept=ENDED)
def test_plain_text(target: Target) -> str:
    """A line in the clear is no message: that connection ends, without an answer to it."""
    return disturbs_nobody(target, b"hello plain\n")


@case("tls/handshake/http-in-the-clear", service="tls", requirements=("TLS-004",), accept=ENDED)
def test_http_in_the_clear(target: Target) -> str:
    """A browser that was sent to http:// is not served, either."""
    return disturbs_nobody(target, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


@case("tls/handshake/no-handshake-record", service="tls", requirements=("TLS-004",), accept=ENDED)
def test_no_handshake_record(target: Target) -> str:
    """A handshake record whose content is none ends the connection."""
    return disturbs_nobody(target, record(HANDSHAKE, b"\x63\x00\x00\x04what"))


@case("tls/handshake/garbage-behind-the-hello", service="tls", requirements=("TLS-004",), accept=ENDED)
def test_garbage_behind_the_hello(target: Target) -> str:
    """A good ClientHello, and nonsense where the rest of the handshake is due."""
    with bystander(target), target.connect(bare=True) as peer:
        peer.send(Engine(target.endpoint().host).shake())
        peer.receive()
        peer.send(b"no record at all, but long enough for one\n")
        peer.rest()
        return peer.ended or "open"


@case("tls/handshake/fin-in-the-middle", service="tls", requirements=("TLS-004",), accept=ENDED)
def test_fin_in_the_middle(target: Target) -> str:
    """Who ends the connection within the handshake is let go."""
    with bystander(target), target.connect(bare=True) as peer:
        peer.send(Engine(target.endpoint().host).shake()[:100])
        peer.finish()
        return dropped(peer)


@case("tls/handshake/resets-in-the-middle", service="tls", requirements=("TLS-004",), accept=UNHARMED)
def test_resets_in_the_middle(target: Target) -> str:
    """Clients that break off at every step of the handshake disturb nobody."""
    with bystander(target) as peer:
        for step in range(30):
            with Handmade(target) as client:
                client.greet()
                if step % 3:
                    client.peer.receive()
                if step % 3 == 2:
                    client.peer.send(b"\x14")
                client.peer.reset()
            exchange(peer, b"meanwhile\n")
    return "unharmed"


@case("tls/record/forged", service="tls", requirements=("TLS-004",), accept=ENDED)
def test_forged(target: Target) -> str:
    """A record that was changed on its way ends the connection; what it held is no message."""
    with bystander(target), Handmade(target) as client:
        client.open()
        client.exchange(b"genuine\n")
        sealed = bytearray(client.engine.seal(b"forged\n"))
        sealed[-1] ^= 1
        client.peer.send(bytes(sealed))
        return ended_by(client)


@case("tls/record/plain-text-later", service="tls", requirements=("TLS-004",), accept=ENDED)
def test_plain_text_later(target: Target) -> str:
    """A line in the clear within an encrypted conversation ends it, and is no message."""
    with bystander(target), Handmade(target) as client:
        client.open()
        client.exchange(b"encrypted\n")
        client.peer.send(b"a line in the clear\n")
        return ended_by(client)


def ended_by(client: Handmade) -> str:
    """How a conversation ends that has been broken: with an alert, if with anything."""
    try:
        said = client.engine.open(client.peer.rest())
    except ssl.SSLError as problem:
        said = b"" if "ALERT" in (problem.reason or "") else b"something in the clear"
    if said:
        raise Violation("answered", f"at most an alert was due, {said!r:.80} came")
    return client.peer.ended or "open"


@case("tls/handshake/any-bytes", service="tls", requirements=("TLS-004",), accept=UNHARMED, explores=True)
def test_any_bytes(target: Target) -> str:
    """Bytes without any plan, alone or spoiling a ClientHello, then a reset: others are served as before."""
    hello = Engine(target.endpoint().host).shake()

    def check(data: bytes) -> None:
        for said in (data, hello[: len(data) % len(hello)] + data):
            with target.connect(bare=True) as stranger:
                stranger.send(said)
                stranger.reset()
        exchange(peer, b"meanwhile\n")

    with bystander(target) as peer:
        explore(target, garbage(), check)
    return "unharmed"
