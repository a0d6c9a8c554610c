import asyncio
from typing import Any

import pytest

from refworker.sessions.manager import Sessions
from refworker.sessions.redis_store import RedisStore


class Redis:
    """What the library has of a client, as far as a store uses it: a dictionary, and the times that were
    asked for.
    """

    def __init__(self, decodes: bool) -> None:
        self.decodes, self.kept, self.times = decodes, {}, {}  # type: ignore[var-annotated]

    async def get(self, name: str) -> Any:
        text = self.kept.get(name)
        return text.encode() if text is not None and not self.decodes else text

    async def set(self, name: str, text: str, px: int) -> None:
        self.kept[name], self.times[name] = text, px

    async def pexpire(self, name: str, px: int) -> None:
        self.times[name] = px

    async def delete(self, name: str) -> None:
        self.kept.pop(name, None)

    closed = False

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("decodes", [True, False])
def test_a_session_in_redis(decodes: bool) -> None:
    redis = Redis(decodes)

    class Visit:
        answered = False
        sent = ""

        def cookie(self, name: str) -> str:
            return self.sent

    async def program() -> None:
        sessions: Any = Sessions(RedisStore(client=redis), lifetime=1.5)
        session = await sessions.open(Visit())
        session.set("n", 1)
        await session.save()
        name = f"session_{session.id}"
        assert (redis.kept, redis.times) == ({name: '{"n":1}'}, {name: 1500})
        redis.times.clear()
        visit = Visit()
        visit.sent = session.id
        again = await sessions.open(visit)
        await again.save()
        assert (again.all(), redis.times) == ({"n": 1}, {name: 1500})
        again.flush()
        await again.save()
        assert not redis.kept
        await sessions.store.gc()
        await sessions.close()
        assert not redis.closed  # it is its maker's

    asyncio.run(program())
