"""What wsproto makes of everything a target has sent: a judge that shares no code with our strict reader."""

from wsproto.frame_protocol import FrameProtocol, ParseFailed

from conformance.outcomes import Violation
from conformance.wire.peer import Peer

END_OF_HEAD = b"\r\n\r\n"


def examine(peer: Peer, *, by_client: bool = False) -> None:
    """All frames received on this connection so far are what a server may send, or `by_client` a client, or
    Violation `wrong-answer`.

    Reads the transcript from the end of the handshake on; where that was cut short, there is no
    second opinion.
    """
    if not peer.transcript.complete:
        return
    stream = b"".join(
        entry.data for entry in peer.transcript if (entry.peer, entry.kind) == (peer.number, "receive")
    )
    judge = FrameProtocol(client=not by_client, extensions=[])
    judge.receive_bytes(stream.partition(END_OF_HEAD)[2])
    try:
        for _ in judge.received_frames():
            pass
    except (ParseFailed, UnicodeDecodeError) as problem:
        raise Violation("wrong-answer", f"wsproto refuses what came: {problem}") from problem
