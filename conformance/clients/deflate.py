"""permessage-deflate from the server's side (RFC 7692), as far as clients are judged: offers read strictly,
answers right and wrong, messages compressed and inflated.
"""

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from conformance.clients.client import Client
from conformance.clients.dialogue import RSV1, leave
from conformance.outcomes import Unsupported, Violation
from conformance.wire import websocket_server
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode
from conformance.wire.websocket_server import Request, frame, read, response

EXTENSION = "permessage-deflate"
FIELD = "sec-websocket-extensions"
TAIL = b"\x00\x00\xff\xff"
"""What a sync flush ends with, and what is left out on the wire (7.2.1)."""

BITS = r"(?:[89]|1[0-5])"
PARAMETERS = {
    "server_no_context_takeover": r"",
    "client_no_context_takeover": r"",
    "server_max_window_bits": rf"={BITS}",
    "client_max_window_bits": rf"(?:={BITS})?",
}
"""What may stand in an offer (7.1), and how the rest of the parameter looks."""

LARGEST = 64 * 1024 * 1024
"""Bytes that are inflated at once where the window is the largest."""


def offers(request: Request) -> list[list[str]]:
    """The parameters of each offer of the extension, without quotes and blanks."""
    members = ",".join(request.values(FIELD)).split(",")
    parts = [[part.strip(" \t").replace('"', "") for part in member.split(";")] for member in members]
    return [parameters for name, *parameters in parts if name.lower() == EXTENSION]


def check_offer(parameters: list[str]) -> None:
    """An offer has known parameters, with values that they may have, once each. Raises `wrong-request`."""
    names = [parameter.partition("=")[0] for parameter in parameters]
    for name, parameter in zip(names, parameters, strict=True):
        known = PARAMETERS.get(name)
        if known is None or not re.fullmatch(name + known, parameter) or names.count(name) > 1:
            raise Violation("wrong-request", f"{parameter!r} must not stand in an offer (7.1)")


@dataclass
class Agreed:
    """What was agreed, and the two streams: ours to the client, and the client's to us."""

    client_bits: int = 15
    client_keeps: bool = True
    server_keeps: bool = True
    _ours: "zlib._Compress | None" = field(default=None, repr=False)
    _theirs: "zlib._Decompress | None" = field(default=None, repr=False)

    def compress(self, message: bytes) -> bytes:
        """The payload of a compressed message (7.2.1)."""
        if self._ours is None or not self.server_keeps:
            self._ours = zlib.compressobj(wbits=-15)
        data = self._ours.compress(message) + self._ours.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(TAIL) or b"\x00"

    def inflate(self, payload: bytes) -> bytes:
        """The client's message (7.2.2). Raises Violation `wrong-answer` where its window does not hold it."""
        if self._theirs is None or not self.client_keeps:
            self._theirs = zlib.decompressobj(wbits=-self.client_bits)
        try:
            return b"".join(self._pieces(self._theirs, payload + TAIL))
        except zlib.error as problem:
            raise Violation("wrong-answer", f"what came does not inflate as agreed: {problem}") from problem

    def _pieces(self, stream: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
        """Where the window is small, byte by byte: zlib looks back further inside what one call gives."""
        most = LARGEST if self.client_bits == 15 else 1
        while piece := stream.decompress(data, most):
            yield piece
            data = stream.unconsumed_tail

    def frame(self, opcode: Opcode, message: bytes) -> bytes:
        """A message, compressed, in one frame."""
        return frame(opcode, self.compress(message), rsv=RSV1)

    def expect(self, peer: Peer, opcode: Opcode, message: bytes) -> None:
        """The next message is this, compressed or not, whole or in fragments."""
        first = piece = read(peer, rsv=RSV1)
        parts = [piece.payload]
        while not piece.fin:
            piece = read(peer)
            parts.append(piece.payload)
        body = b"".join(parts)
        seen = self.inflate(body) if first.rsv else body
        if (first.opcode, seen) != (opcode, message):
            due, came = f"{opcode.name} of {message!r:.80}", f"{first.opcode.name} of {seen!r:.80}"
            raise Violation("wrong-answer", f"{due} was due, {came} came")


def asked(peer: Peer) -> tuple[Request, list[list[str]]]:
    """The client's request and its offers. Raises Unsupported, in good order, for a client without one."""
    request = websocket_server.read_request(peer)
    if not (found := offers(request)):
        peer.send(response(request))
        leave(peer)
        raise Unsupported(f"the client does not offer {EXTENSION}")
    return request, found


@contextmanager
def opened(client: Client, *parameters: str, agreed: Agreed | None = None) -> Iterator[tuple[Peer, Agreed]]:
    """A connection with the extension, under these parameters, left in good order."""
    with client.connected() as peer:
        request, _ = asked(peer)
        peer.send(answered(request, *parameters))
        client.pause()
        yield peer, agreed or Agreed()
        leave(peer)


def answered(request: Request, *parameters: str) -> bytes:
    """The response that agrees to the extension, with these parameters, right or wrong."""
    return response(request, f"Sec-WebSocket-Extensions: {'; '.join([EXTENSION, *parameters])}")
