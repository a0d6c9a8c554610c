import pytest

from refworker.protocols.http import ServerSentEvents


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"data": "a"}, "data: a\n\n"),
        ({"data": "a\nb"}, "data: a\ndata: b\n\n"),
        ({"data": "x\r\ny\rz"}, "data: x\ndata: y\ndata: z\n\n"),
        ({"data": ""}, "data: \n\n"),
        (
            {"data": 1, "retry": 500, "id": 7, "event": "tick", "": "note"},
            ": note\nevent: tick\nid: 7\nretry: 500\ndata: 1\n\n",
        ),
        ({"event": "a\nid: 9", "id": "1\r\n2", "": "c\rd"}, ": cd\nevent: aid: 9\nid: 12\n\n"),
        ({"data": "\xe9"}, "data: \xe9\n\n"),
    ],
)
def test_events(fields: dict[str, object], text: str) -> None:
    assert bytes(ServerSentEvents(fields)) == text.encode()
