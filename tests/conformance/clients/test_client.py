"""What a case sees of a client: a path of its own for each connection, and the same chance each time."""

from conformance.wire import websocket_server
from tests.conformance.clients.callers import client


def test_every_connection_has_a_path_of_its_own_and_stands_in_the_transcript() -> None:
    with client() as subject:
        paths = []
        for _ in range(2):
            with subject.connected() as peer:
                paths.append(websocket_server.read_request(peer).target)
                assert peer.address.path == paths[-1]
        assert len(set(paths)) == 2
        assert all("/websocket-client/a/b?" in path for path in paths)
        assert [entry.kind for entry in subject.transcript].count("connect") == 2


def test_chance_depends_on_the_case_and_the_seed() -> None:
    with client() as subject:
        assert subject.random.random() == subject.random.random()


def test_a_pause_is_calibrated() -> None:
    with client() as subject:
        subject.pause()
