"""The octets of a head (RFC 9110 section 5, RFC 9112 sections 2 to 5), and how a request is refused.

A head is read strictly, since a proxy that reads it otherwise is an attack: every line ends in CR LF, a name
is a token and touches its colon, no line is folded, no control stands anywhere but a tab in a value.
Where one part ends, another begins that has none of its octets: no repeat ever gives back what it has taken.
"""

import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
TARGET = rb"""[!"$-~]++"""  # visible ASCII, and no fragment (RFC 9112 section 3.2)
PATH = rb"""[!"$-~]*+"""  # what follows the slash of one that begins with it

FIELD = re.compile(rb"(%s):(%s)\r\n" % (TOKEN, VALUE))
REQUEST_LINE = re.compile(rb"(%s) (%s) HTTP/([0-9])\.([0-9])\r\n" % (TOKEN, TARGET))
REQUEST = re.compile(rb"(%s) (%s) HTTP/1\.([0-9])\r\n(?:%s:%s\r\n)*+\r\n" % (TOKEN, TARGET, TOKEN, VALUE))

PLAIN = re.compile(
    rb"(%s) (/%s) HTTP/1\.1\r\nHost: ([!-~]*+)\r\n"
    rb"(?:(?![HhCcTtEeUu](?i:(?:ost|ontent-length|ransfer-encoding|xpect|pgrade):"
    rb"|onnection:(?! keep-alive\r\n)))%s:%s\r\n)*+\r\n" % (TOKEN, PATH, TOKEN, VALUE)
)
"""A well-formed head of the usual sort: it asks for a path, and of the fields that decide how a request
travels it has Host alone, in front, and perhaps the `Connection: keep-alive` that says nothing new. One look
does for it.
"""

NAME = re.compile(TOKEN.decode())
SENDABLE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")

AUTHORITY = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?"
)
"""A host and perhaps a port; empty hosts and users are refused (RFC 9110 sections 4.2.1, 4.2.4 and 7.2)."""

Fields = tuple[tuple[str, str], ...]
"""Names in lower case and values, in the order of their lines."""


class Refused(Exception):
    """A request that is not answered by the application: the status that says so, and why."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


def fields_of(block: bytes) -> Fields:
    """The fields of a block that is known to be well formed: values without the blanks around them."""
    return tuple(
        (name.decode().lower(), value.strip(b" \t").decode("latin-1")) for name, value in FIELD.findall(block)
    )
