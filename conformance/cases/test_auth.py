"""Who does not log in within a second is closed (FAQ-011); who does may stay and is echoed."""

from conformance.case import Violation, case
from conformance.cases.echoing import several
from conformance.cases.patience import drip, exchange, in_time, not_early, run_out
from conformance.target.view import Target
from conformance.wire.peer import Peer, watch

LIMIT = 1.0
"""Seconds, by the contract."""

ECHOED = {"echoed": "pass"}
CLOSED = {"closed": "pass"}
WELCOME = b"welcome\n"


def log_in(peer: Peer, *segments: bytes) -> None:
    """The password is `login`. Raises Inconclusive where the machine may have made it come too late."""
    with in_time(LIMIT, peer.began):
        peer.send(*(segments or (b"login\n",)))
        peer.expect(WELCOME)


@case("auth/login/then-echo", service="auth", requirements=("FAQ-011",), accept=ECHOED)
def test_then_echo(target: Target) -> str:
    """`login` is answered `welcome`, and from then on every message is echoed, also `login`."""
    with target.connect() as peer:
        log_in(peer)
        return exchange(peer, b"hello\n", b"login\n", b"\n", b"welcome\n")


@case("auth/login/in-pieces", service="auth", requirements=("FAQ-011", "TEXT-002"), accept=ECHOED)
def test_login_in_pieces(target: Target) -> str:
    """The word comes byte by byte."""
    with target.connect() as peer:
        log_in(peer, *(bytes([byte]) for byte in b"login\r\n"))
        return exchange(peer, b"hello\n")


@case("auth/login/messages-behind", service="auth", requirements=("FAQ-011",), accept=ECHOED)
def test_messages_behind(target: Target) -> str:
    """What stands behind the word in the same segment is echoed already."""
    with target.connect() as peer:
        log_in(peer, b"login\nhello\nlogin\n")
        peer.expect(b"hello\nlogin\n")
        return exchange(peer)


@case("auth/login/stays", service="auth", requirements=("FAQ-011", "TCP-023"), accept=ECHOED)
def test_stays(target: Target) -> str:
    """Who has logged in, at once or in pieces, stays when the second is over, silent or not."""
    with several(target, 4) as peers, target.connect() as stranger:
        for peer in peers:
            log_in(peer, b"log", b"in\n")
        exchange(peers[0], b"a word before\n")
        run_out(target, [stranger], LIMIT)
        for peer in peers:
            peer.silent()
            exchange(peer, b"a word after\n")
    return "echoed"


@case("auth/deadline/silence", service="auth", requirements=("FAQ-011", "TCP-023"), accept=CLOSED)
def test_silence(target: Target) -> str:
    """Clients that say nothing are closed when the second is over, and not before."""
    with several(target, 10) as peers:
        run_out(target, peers, LIMIT)
        return not_early(target, [peer.lasted for peer in peers], LIMIT)


@case("auth/deadline/half-a-word", service="auth", requirements=("FAQ-011",), accept=CLOSED)
def test_half_a_word(target: Target) -> str:
    """The word without its end is no login, however many bytes of it come, and however late."""
    with several(target, 4) as peers:
        for peer in peers[1:]:
            peer.send(b"login")
        drip(target, peers[2:], LIMIT, b"\r", pace=LIMIT / 4)
        run_out(target, peers, 0.0)
        return not_early(target, [peer.lasted for peer in peers], LIMIT)


@case("auth/deadline/each-its-own", service="auth", requirements=("FAQ-011",), accept=CLOSED)
def test_each_its_own(target: Target) -> str:
    """Clients come one after the other, and some log in meanwhile: each of the others has its own second."""
    with several(target, 3) as first:
        watch(first, LIMIT / 2)
        with several(target, 3) as second:
            log_in(second[0])
            run_out(target, first, LIMIT)
            run_out(target, second[1:], LIMIT)
            exchange(second[0], b"still here\n")
            return not_early(target, [peer.lasted for peer in (*first, *second[1:])], LIMIT)


@case("auth/deadline/after-a-late-login", service="auth", requirements=("FAQ-011",), accept=ECHOED)
def test_after_a_late_login(target: Target) -> str:
    """The word comes when half of the second is over: in time, and the rest of it harms nobody."""
    with several(target, 3) as peers, target.connect() as stranger:
        watch(peers, LIMIT / 2)
        for peer in peers:
            log_in(peer)
        run_out(target, [stranger], LIMIT)
        for peer in peers:
            peer.silent()
            exchange(peer, b"still here\n")
    return "echoed"


WRONG = (
    b"hello\n",
    b"LOGIN\n",
    b"login \n",
    b" login\n",
    b"log in\n",
    b"logi\n",
    b"loginn\n",
    b"\n",
    b"welcome\n",
)


@case("auth/refusal/wrong-word", service="auth", requirements=("FAQ-011",), accept=CLOSED)
def test_wrong_word(target: Target) -> str:
    """A first message that is nearly the word, or not at all, is not answered, and its sender is closed."""
    with several(target, len(WRONG)) as peers:
        for peer, word in zip(peers, WRONG, strict=True):
            peer.send(word)
        run_out(target, peers, LIMIT)
    return "closed"


@case("auth/refusal/second-try", service="auth", requirements=("FAQ-011",), accept=CLOSED)
def test_second_try(target: Target) -> str:
    """The first message counts: behind a wrong one the word comes too late, in its segment or the next."""
    with several(target, 2) as peers:
        peers[0].send(b"wrong\nlogin\nhello\n")
        peers[1].send(b"wrong\n", b"login\n")
        run_out(target, peers, LIMIT)
    return "closed"


@case("auth/refusal/each-for-itself", service="auth", requirements=("FAQ-011",), accept=CLOSED)
def test_each_for_itself(target: Target) -> str:
    """Others have logged in, before and after: who has not is not answered, and is closed."""
    with several(target, 3) as members, several(target, 4) as strangers:
        for peer in members:
            log_in(peer)
        for peer in strangers[:2]:
            peer.send(b"hello\n")
        run_out(target, strangers, LIMIT)
        for peer in members:
            exchange(peer, b"still here\n")
    return "closed"


@case("auth/refusal/after-it", service="auth", requirements=("FAQ-011",), accept=ECHOED)
def test_after_it(target: Target) -> str:
    """Many are refused for one reason or another; then somebody logs in as if nothing had been."""
    with several(target, 12) as peers:
        for peer in peers[::3]:
            peer.send(b"hello\n")
        for peer in peers[1::3]:
            peer.reset()
        run_out(target, [peer for peer in peers if peer not in peers[1::3]], LIMIT)
    with target.connect() as peer:
        log_in(peer)
        if peer.waiting:
            raise Violation("unexpected-bytes", "more than `welcome` came")
        return exchange(peer, b"hello\n")
