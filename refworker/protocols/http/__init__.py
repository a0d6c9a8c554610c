"""`http://` (RFC 9110, RFC 9112): read `grammar.py` and `heads.py` for what a request is, `pieces.py` and
`bodies.py` for how it comes, `intake.py` for whom its body goes to, `framing.py` for how an answer is framed,
`conversation.py` for how one follows the other.
"""

from refworker.protocols.http.conversation import HttpServer, Upgrade
from refworker.protocols.http.events import ServerSentEvents
from refworker.protocols.http.intake import Wait
from refworker.protocols.http.limits import Limits
from refworker.protocols.http.request import Request
from refworker.protocols.http.response import Chunk, Response
from refworker.protocols.http.streamed import Streamed

__all__ = [
    "Chunk",
    "HttpServer",
    "Limits",
    "Request",
    "Response",
    "ServerSentEvents",
    "Streamed",
    "Upgrade",
    "Wait",
]
