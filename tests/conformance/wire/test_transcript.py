"""The transcript: merged where that loses nothing, bounded always."""

from conformance.wire import transcript as module
from conformance.wire.transcript import Transcript


def test_received_bytes_are_merged_segments_are_not() -> None:
    log = Transcript()
    number = log.new_peer("text tcp://h:1")
    for kind in ("receive", "receive", "send", "send"):
        log.add(number, kind, b"x")
    assert [(entry.kind, entry.data) for entry in log] == [
        ("connect", b""),
        ("receive", b"xx"),
        ("send", b"x"),
        ("send", b"x"),
    ]


def test_it_is_bounded_and_says_so() -> None:
    log = Transcript()
    log.add(1, "send", bytes(module.MAX_BYTES))
    assert log.complete
    for _ in range(3):
        log.add(1, "send", b"x")
    assert not log.complete
    assert [entry.kind for entry in log] == ["send", "note"]


def test_clear() -> None:
    log = Transcript(complete=False)
    log.new_peer("text tcp://h:1")
    log.clear()
    assert log.complete
    assert log.new_peer("text tcp://h:1") == 1
