r"""Requests that are almost right: a stream is a row of pieces, of which one or two are odd.

A family is about one part of HTTP/1.1. It is a row of slots; each has usual spellings, which every server
understands alike, and odd ones, which none should mend in its own way. The same seed gives the same examples.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from conformance.wire.http_requests import CLOSE, HOST, request

MARK = "behind"

SENTINEL = request("GET", f"/reflect?{MARK}", CLOSE)
"""Stands behind every example: whoever understood that answers this, too, and then the connection ends."""

MOST_ODD = 2
"""Odd pieces in one example; with more, the first one hides what the others would have done."""

EDGES = (
    b"\x00",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b" ",
    b":",
    b",",
    b";",
    b"\x0b",
    b"\x7f",
    b"\x85",
    b"\xff",
    b"0",
)
"""Octets with a meaning somewhere, for the family that puts them anywhere."""


@dataclass(frozen=True)
class Slot:
    """A place in the stream: its name, its usual spellings (the first is the plainest), and the odd ones."""

    name: str
    usual: tuple[bytes, ...]
    odd: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Piece:
    """What stands in a slot; `plain` is what would be nothing special."""

    slot: str
    octets: bytes
    plain: bytes

    @property
    def is_odd(self) -> bool:
        """Whether it is not the plainest spelling."""
        return self.octets != self.plain


Example = tuple[Piece, ...]


def octets(example: Example) -> bytes:
    """The stream, without the sentinel."""
    return b"".join(piece.octets for piece in example)


def same(text: bytes, name: str = "text") -> Slot:
    """A slot that is always the same."""
    return Slot(name, (text,))


def spellings(text: str) -> tuple[bytes, ...]:
    r"""Octets as Python escapes them, divided by `|`."""
    return tuple(
        each.encode("latin-1").decode("unicode_escape").encode("latin-1") for each in text.split("|")
    )


def slot(name: str, usual: str, odd: str) -> Slot:
    """A slot with its `spellings`."""
    return Slot(name, spellings(usual), spellings(odd))


EOL = slot("line end", r"\r\n", r"\n|\r|\r\r\n|\n\r\n|\r\n\r\n| \r\n")
SPACE = slot("blank", " ", r"  |\t|\x0b|")
END = same(b"\r\n", "end of the head")
HOST_LINE = same(f"Host: {HOST}\r\n".encode(), "Host")
DATA = same(b"hello", "data")

METHOD = slot("method", "GET|POST|PUT", r"get|Get|GET\x00|G(T|FOO|\xffGET|\r\nGET|")
TARGET = slot(
    "target",
    "/reflect|/reflect?a=1&b=2|/%72eflect",
    r"//reflect|/./reflect|/x/../reflect|/reflect#part|/reflect?a=\xc3\xa9|/reflect?a=\x7f|/reflect?a=%zz"
    r"|/reflect?a=b c|http://localhost/reflect|HTTP://other.example/reflect|http://u@localhost/reflect|reflect"
    r"|*|?a|/reflect?a=%0d%0aX: 1|/reflect\\|/reflect?a=\x00",
)
VERSION = slot(
    "version",
    "HTTP/1.1",
    "HTTP/1.0|HTTP/1.2|HTTP/1.10|HTTP/2.0|HTTP/0.9|http/1.1|HTTP/1.|HTTP/11||HTTP/1.1 |HTTP/1,1|HTTP /1.1",
)

NAME = slot("name", "X-A|x-a|X_B", r"X-A |X-A\t| X-A|X[A]|X\x00A|X\xe9||X-A\n|\tX-A")
COLON = slot("colon", r": |:|:\t", r"| : |::|:\r\n ")
VALUE = slot(
    "value",
    r"one||a, b|caf\xe9|\xc3\xa9",
    r"a\x00b|a\rb|a\nb|a\x07b|a\r\n b|a\r\n\tb|\x0bx|x\x0c|\xa0x|x\x7f|a\r\n\r\nb",
)
HOST_NAME = slot("name of Host", "Host: |host:", "Host : |X-Host: ")
HOST_VALUE = slot(
    "value of Host",
    "localhost|localhost:80|[::1]:8080|localhost:",
    r"a b|a/b|u@localhost|a,b|localhost:x||localhost\x00|a\r\nHost: b|[::1|a:1:2|a?b",
)

LENGTH = slot(
    "length",
    "5|05|5 ",
    r"+5|-5|5,5|5, 5|5,6|0x5|5_0|5 5||5.0|5\x0b|\xb25|4|6|0|5;a=b|5\r\nContent-Length: 5"
    r"|5\r\nContent-Length: 6|18446744073709551621|00000000000000000000000000005",
)
CODING_NAME = slot(
    "name of the coding's field",
    "Transfer-Encoding: |transfer-encoding:",
    r"Transfer-Encoding : |Transfer-Encoding\t:|Transfer_Encoding: | Transfer-Encoding: "
    r"|Transfer-Encoding\x85: |Content-Length: 5\r\nTransfer-Encoding: "
    r"|X: 1\nTransfer-Encoding: |Transfer-Encoding\n: ",
)
CODING = slot(
    "coding",
    "chunked|Chunked| chunked ",
    r"gzip, chunked|chunked, gzip|identity|chunked, identity|chunked, chunked|xchunked|chunked;q=1|"
    r"|\"chunked\"|\x0bchunked|chunked\x00|,chunked|chunked,|chunked\r\nTransfer-Encoding: chunked"
    r"|\r\n chunked|chunked\r\nContent-Length: 5|identity\r\nTransfer-Encoding: chunked|chunked chunked",
)

SIZE = slot(
    "size of a chunk",
    "5|05|0000000005",
    r"+5|-5|0x5|5_| 5|5 |5\t||g|5 5|10000000000000005|5.|\x0b5|4|6|fffffffffffffffff",
)
EXTENSION = slot("extension", '|;a|;a=b|;a="b c"', r";|;\x00|;a\nb|;a\rb|;a=\"b| ;a|; a|;=b|;a=b=c|;\xff")
CHUNK_END = slot("end of a chunk", r"\r\n", r"\n|\r||xx|\r\r\n|!\r\n|\r\n\r\n")
LAST = slot("last chunk", "0|000", "0;|-0|0 ||0x0|00000000000000000000000")
TRAILER = slot(
    "trailer",
    r"|X-T: 1\r\n",
    r"no colon\r\n|X-T : 1\r\n|X-T: a\x00b\r\n| fold\r\n|Host: other\r\n|Content-Length: 3\r\n|X-T: 1\n"
    r"|: 1\r\n",
)
OPTION = slot(
    "option of the connection",
    "keep-alive|close|x, close",
    r"CLOSE|close, keep-alive||,close|close;|closed|\"close\"|upgrade|x-a|close\r\nConnection: keep-alive",
)

LINE = (METHOD, SPACE, TARGET, SPACE, VERSION, EOL)
POST_LINE = same(b"POST /reflect HTTP/1.1\r\n", "request line")
GET_LINE = same(b"GET /reflect HTTP/1.1\r\n", "request line")
FIELD = (NAME, COLON, VALUE, EOL)
CHUNK = (SIZE, EXTENSION, EOL, DATA, CHUNK_END)
LENGTH_NAME = same(b"Content-Length: ", "name of the length")
CHUNKED_LINE = same(b"Transfer-Encoding: chunked\r\n", "coding")
ONE_CHUNK = same(b"5\r\nhello\r\n0\r\n\r\n", "a chunk")
SHORT_LINE = (same(b"GET /reflect ", "request line"), VERSION, EOL)
OPTIONS = (same(b"Connection: ", "name"), OPTION, EOL)
PLAIN_FIELDS = same(b"X-A: one\r\nContent-Length: 5\r\n", "fields")

FAMILIES: Mapping[str, tuple[Slot, ...]] = {
    "http/request-line": (*LINE, HOST_LINE, END),
    "http/fields": (GET_LINE, HOST_LINE, *FIELD, *FIELD, EOL),
    "http/host": (GET_LINE, HOST_NAME, HOST_VALUE, EOL, END),
    "http/length": (POST_LINE, HOST_LINE, LENGTH_NAME, LENGTH, EOL, END, DATA),
    "http/coding": (POST_LINE, HOST_LINE, CODING_NAME, CODING, EOL, END, ONE_CHUNK),
    "http/chunks": (
        POST_LINE,
        HOST_LINE,
        CHUNKED_LINE,
        END,
        *CHUNK,
        *CHUNK,
        LAST,
        EXTENSION,
        EOL,
        TRAILER,
        EOL,
    ),
    "http/connection": (*SHORT_LINE, HOST_LINE, *OPTIONS, END),
    "http/octets": (POST_LINE, HOST_LINE, PLAIN_FIELDS, END, DATA, GET_LINE, HOST_LINE, END),
}
"""Families by name; `http/octets` puts an octet anywhere, see `edited`."""


def examples(family: str, count: int, seed: int) -> Iterator[Example]:
    """So many of a family, the plainest first."""
    random, slots = Random(f"{seed} {family}"), FAMILIES[family]
    yield tuple(Piece(slot.name, slot.usual[0], slot.usual[0]) for slot in slots)
    for _ in range(count - 1):
        example = _drawn(slots, random)
        yield edited(example, random) if family == "http/octets" else example


def _drawn(slots: tuple[Slot, ...], random: Random) -> Example:
    """Usual pieces, and a few odd ones."""
    choices = [place for place, slot in enumerate(slots) if slot.odd]
    odd = random.sample(choices, min(len(choices), random.randint(1, MOST_ODD)))
    return tuple(
        Piece(slot.name, random.choice(slot.odd if place in odd else slot.usual), slot.usual[0])
        for place, slot in enumerate(slots)
    )


def edited(example: Example, random: Random) -> Example:
    """The same with one octet of the edges put in, put in the place of another, or with one left out."""
    place = random.choice([place for place, piece in enumerate(example) if piece.octets])
    piece = example[place]
    at, size = random.randrange(len(piece.octets)), random.choice((0, 1))
    put = random.choice((*EDGES, b"")) if size else random.choice(EDGES)
    spoilt = piece.octets[:at] + put + piece.octets[at + size :]
    return (*example[:place], Piece(piece.slot, spoilt, piece.plain), *example[place + 1 :])
