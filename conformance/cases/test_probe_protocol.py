"""Another protocol in mid-connection: text and frame in turns, on one connection of the probe (TCP-022)."""

from collections.abc import Sequence

from hypothesis import strategies as st

from conformance.case import case
from conformance.cases.probing import verb
from conformance.cases.test_probe import AS_ASKED, CONTROL
from conformance.exploration import explore
from conformance.strategies import splits
from conformance.target.view import Target
from conformance.wire import frame, text

SWITCHED = b"switched"
"""What a connection says first in its new protocol."""

FRAMINGS = {"text": text.encode, "frame": frame.encode}


def talk(parts: Sequence[tuple[str, list[bytes]]]) -> tuple[bytes, bytes]:
    """What to send, and what has to come: for each protocol the messages in it, from text on."""
    now, sent, due = "text", b"", b""
    for name, messages in parts:
        order = verb("protocol", name=name).rstrip(b"\n")
        sent += FRAMINGS[now](order) + FRAMINGS[name](*messages)
        due += FRAMINGS[name](SWITCHED, *messages)
        now = name
    return sent, due


@case(
    "probe/protocol/in-turns", service="probe.text", requirements=("TCP-022",), accept=AS_ASKED, needs=CONTROL
)
def test_in_turns(target: Target) -> str:
    """From text to frame and back: each protocol from the answer to the switch on."""
    with target.connect() as peer:
        peer.send(b"a line\n")
        peer.expect(b"a line\n")
        peer.send(verb("protocol", name="frame"))
        peer.expect(frame.encode(SWITCHED))
        peer.send(frame.encode(b"hi\n"), frame.encode(verb("protocol", name="text").rstrip(b"\n")))
        peer.expect(frame.encode(b"hi\n") + b"switched\n")
        peer.send(b"hi\n")
        peer.expect(b"hi\n")
    return "as-asked"


@case(
    "probe/protocol/behind-it",
    service="probe.text",
    requirements=("TCP-022",),
    accept=AS_ASKED,
    needs=CONTROL,
)
def test_behind_it(target: Target) -> str:
    """What stands behind the switch, in the same segment, is read in the new protocol already."""
    sent, due = talk(
        [("frame", [b"two\nlines\n", b""]), ("text", [b"a line", b"\0\0\0\x06hi"]), ("frame", [b"end"])]
    )
    with target.connect() as peer:
        peer.send(sent)
        peer.expect(due)
        peer.silent()
    return "as-asked"


parts = st.lists(
    st.tuples(
        st.sampled_from(["frame", "text"]), st.lists(st.sampled_from([b"", b"a", b"a message"]), max_size=3)
    ),
    min_size=1,
    max_size=5,
)


@case(
    "probe/protocol/any-split",
    service="probe.text",
    requirements=("TCP-022",),
    accept=AS_ASKED,
    needs=CONTROL,
    explores=True,
)
def test_any_split(target: Target) -> str:
    """Switches among messages, cut into any segments."""

    def check(example: tuple[list[bytes], bytes]) -> None:
        segments, due = example
        with target.connect() as peer:
            peer.send(*segments)
            peer.expect(due)

    streams = parts.map(talk).flatmap(lambda pair: st.tuples(splits(pair[0]), st.just(pair[1])))
    explore(target, streams, check)
    return "as-asked"
