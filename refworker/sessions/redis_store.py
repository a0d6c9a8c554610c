"""Sessions in Redis, for services on several machines; wants the extra `redis`.

    Sessions(RedisStore("redis://127.0.0.1:6379/0"))

    @worker.on_message
    async def visit(connection, request):
        session = await request.session()

Redis itself forgets what is over.
"""

from typing import Any


class RedisStore:
    """Text under `prefix` and key, with an expiry."""

    def __init__(
        self, url: str = "redis://127.0.0.1:6379", prefix: str = "session_", client: Any = None
    ) -> None:
        """`client` is a ready `redis.asyncio.Redis` in place of a `url`. Connects when it is first used, in
        the process that uses it.
        """
        self._url, self._prefix, self._given = url, prefix, client

    @property
    def _client(self) -> Any:
        if self._given is None:
            from redis.asyncio import Redis

            self._given = Redis.from_url(self._url, decode_responses=True)
        return self._given

    async def read(self, key: str) -> str:
        """The text. Raises the errors of the library."""
        text = await self._client.get(self._prefix + key)
        return text.decode() if isinstance(text, bytes) else text or ""

    async def write(self, key: str, text: str, lifetime: float) -> None:
        """Keep it."""
        await self._client.set(self._prefix + key, text, px=int(lifetime * 1000))

    async def update_timestamp(self, key: str, lifetime: float) -> None:
        """Keep what there is."""
        await self._client.pexpire(self._prefix + key, int(lifetime * 1000))

    async def destroy(self, key: str) -> None:
        """Forget it."""
        await self._client.delete(self._prefix + key)

    async def gc(self) -> None:
        """Nothing: see above."""

    async def close(self) -> None:
        """Close its connections; for `on_worker_stop`."""
        if self._given is not None:
            await self._given.aclose()
