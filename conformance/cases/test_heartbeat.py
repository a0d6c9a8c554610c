"""Who is silent for two seconds is closed; any whole message counts as a sign of life (HB-001)."""

from time import monotonic

from conformance.case import case
from conformance.cases.echoing import several
from conformance.cases.patience import drip, exchange, in_time, not_early, run_out
from conformance.target.view import Target
from conformance.wire.peer import watch

LIMIT = 2.0
"""Seconds, by the contract."""

STEP = 0.5
"""Seconds between two signs of life: several of them fit into the limit."""

CLOSED = {"closed": "pass"}
ALIVE = {"alive": "pass"}

SIGNS = (b"beat\n", b"\n", b"\r\n", b"x" * 5000 + b"\n", b"\0\n", b"several\nat\nonce\n")
"""Messages of every sort, one for each client."""


def answers(sign: bytes) -> bytes:
    """What a sign of life is answered with."""
    return sign.replace(b"\r\n", b"\n")


@case(
    "heartbeat/silence/from-the-start", service="heartbeat", requirements=("HB-001", "TCP-023"), accept=CLOSED
)
def test_from_the_start(target: Target) -> str:
    """Clients that never say a word are closed when two seconds are over, and not before."""
    with several(target, 12) as peers:
        run_out(target, peers, LIMIT)
        return not_early(target, [peer.lasted for peer in peers], LIMIT)


@case("heartbeat/silence/after-the-last-word", service="heartbeat", requirements=("HB-001",), accept=CLOSED)
def test_after_the_last_word(target: Target) -> str:
    """The two seconds begin anew with each message: last words lie apart, and so do the ends."""
    said: list[float] = []
    with several(target, 4) as peers:
        with in_time(LIMIT, peers[0].began):
            for number, peer in enumerate(peers):
                watch(peers, STEP / 2 if number else 0)
                said.append(monotonic())
                exchange(peer, b"last words\n")
        run_out(target, peers, LIMIT)
        return not_early(
            target, [peer.ended_at - then for peer, then in zip(peers, said, strict=True)], LIMIT
        )


@case("heartbeat/silence/a-crowd", service="heartbeat", requirements=("HB-001",), accept=CLOSED)
def test_a_crowd(target: Target) -> str:
    """Two hundred silent clients are closed as one is: nobody has to wait for the others."""
    with several(target, 200) as peers:
        run_out(target, peers, LIMIT)
        return not_early(target, [peer.lasted for peer in peers], LIMIT)


@case("heartbeat/life/any-message", service="heartbeat", requirements=("HB-001",), accept=ALIVE)
def test_any_message(target: Target) -> str:
    """Messages of every sort keep their clients alive beyond two seconds, and are echoed."""
    with several(target, len(SIGNS)) as peers, target.connect() as silent:
        with in_time(LIMIT, silent.began) as again:
            for _ in range(round(LIMIT / STEP) + 1):
                for peer, sign in zip(peers, SIGNS, strict=True):
                    peer.send(sign)
                    peer.expect(answers(sign))
                again()
                watch(peers, STEP)
            for peer in peers:
                exchange(peer, b"still here\n")
        run_out(target, [silent], 0.0)
    return "alive"


@case("heartbeat/life/in-pieces", service="heartbeat", requirements=("HB-001", "TEXT-002"), accept=ALIVE)
def test_in_pieces(target: Target) -> str:
    """A message counts when its last byte comes, however long ago it began."""
    with target.connect() as peer, in_time(LIMIT) as again:
        peer.send(b"be")
        watch([peer], LIMIT / 2)
        peer.send(b"at\n")
        peer.expect(b"beat\n")
        again()
        watch([peer], LIMIT * 3 / 4)
        return exchange(peer, b"still here\n") and "alive"


@case("heartbeat/life/half-a-message", service="heartbeat", requirements=("HB-001",), accept=CLOSED)
def test_half_a_message(target: Target) -> str:
    """Bytes of a message that does not end are no sign of life, whether it was the first or not."""
    with several(target, 4) as peers:
        exchange(peers[0], b"a whole one before\n")
        said = monotonic()
        started = [said if peer is peers[0] else peer.began for peer in peers]
        drip(target, peers, LIMIT, b"x", pace=STEP / 2)
        return not_early(target, [peer.ended_at - at for peer, at in zip(peers, started, strict=True)], LIMIT)


@case("heartbeat/isolation/others-stay", service="heartbeat", requirements=("HB-001",), accept=ALIVE)
def test_others_stay(target: Target) -> str:
    """The silent ones are closed around those who speak, who do not notice."""
    with several(target, 3) as talkers, several(target, 3) as silent:
        started = monotonic()
        with in_time(LIMIT, talkers[0].began) as again:
            while monotonic() < started + LIMIT + STEP:
                for peer in talkers:
                    exchange(peer, b"beat\n")
                again()
                watch(silent, STEP)
            for peer in talkers:
                exchange(peer, b"still here\n")
        run_out(target, silent, 0.0)
    return "alive"


@case("heartbeat/isolation/own-clock", service="heartbeat", requirements=("HB-001",), accept=CLOSED)
def test_own_clock(target: Target) -> str:
    """One client's messages keep nobody else alive, and one that has come later has its own two seconds."""
    with several(target, 3) as early, target.connect() as talker:
        with in_time(LIMIT, talker.began):
            watch(early, LIMIT / 2)
            exchange(talker, b"beat\n")
        said = monotonic()
        with several(target, 3) as late:
            run_out(target, early, LIMIT / 2)
            with in_time(LIMIT, said):
                exchange(talker, b"beat\n")
            run_out(target, late, LIMIT)
            return not_early(target, [peer.lasted for peer in (*early, *late)], LIMIT)
