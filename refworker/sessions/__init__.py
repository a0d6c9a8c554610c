"""Sessions: what a service remembers of a client between requests (manual: http/session; HAPI-012 to 014).

    worker = Worker("http://0.0.0.0:80", sessions=Sessions(FileStore("/var/lib/app/sessions"), secure=True))

    @worker.on_message
    def visit(connection, request):
        session = request.session()
        session.set("visits", session.get("visits", 0) + 1)
        return f"visit number {session.get('visits')}"

`session.py` is what a handler sees, `stores.py` and `redis_store.py` are where it is kept, `manager.py` is
the way from a request to its session and back.
"""

from refworker.sessions.manager import Sessions
from refworker.sessions.session import Session
from refworker.sessions.stores import FileStore, MemoryStore, Store

__all__ = ["FileStore", "MemoryStore", "Session", "Sessions", "Store"]
