"""What wsproto makes of everything a target has sent: a judge that shares no code with our strict reader."""

from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, ParseFailed, RsvBits

from conformance.outcomes import Violation
from conformance.wire.deflate import Agreement
from conformance.wire.peer import Peer

END_OF_HEAD = b"\r\n\r\n"

SMALLEST = 9
"""Bits of the smallest window that wsproto knows; whatever fits a smaller one fits this one, too."""


class Inflating(PerMessageDeflate):
    """wsproto's extension, as it was agreed on. Left alone it takes a ping inside a message for its end."""

    def __init__(self, agreement: Agreement) -> None:
        super().__init__(
            server_no_context_takeover=agreement.server_no_context_takeover,
            server_max_window_bits=max(SMALLEST, agreement.server_max_window_bits),
        )
        self._enabled = True

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """The bits that a frame may have."""
        if not opcode.iscontrol():
            return super().frame_inbound_header(proto, opcode, rsv, payload_length)
        self._inbound_is_compressible = False
        return RsvBits(False, False, False)

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | CloseReason | None:
        """What is still to come of a message when its last frame has ended."""
        return super().frame_inbound_complete(proto, fin) if self._inbound_is_compressible else None


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
    extensions: list[Extension] = [Inflating(peer.deflate.agreement)] if peer.deflate else []
    judge = FrameProtocol(client=not by_client, extensions=extensions)
    judge.receive_bytes(stream.partition(END_OF_HEAD)[2])
    try:
        for _ in judge.received_frames():
            pass
    except (ParseFailed, UnicodeDecodeError) as problem:
        raise Violation("wrong-answer", f"wsproto refuses what came: {problem}") from problem
