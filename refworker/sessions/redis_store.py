"""Sessions in Redis, for services on several machines; wants the extra `redis`.

    Sessions(RedisStore("redis://127.0.0.1:6379/0"))

    @worker.on_message
    async def visit(connection, request):
        session = await request.session()

Redis itself forgets what is over.
"""

from typing import Any

TIMEOUT = 2.0
"""Seconds."""


class RedisStore:
    """Text under `prefix` and key, with an expiry."""

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379",
        prefix: str = "session_",
        client: Any = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """`client` is a ready `redis.asyncio.Redis` in place of a `url`; it stays its maker's to close.
        Connects when it is first used, in the process that uses it; a server that is silent for `timeout`
        seconds is given up, and asked again by the next request.
        """
        self._url, self._prefix, self._given, self._timeout = url, prefix, client, timeout
        self._own: Any = None

    @property
    def _client(self) -> Any:
        if self._given is not None:
            return self._given
        if self._own is None:
            self._own = client_of(self._url, self._timeout)
        return self._own

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
        """Close its connections."""
        client, self._own = self._own, None
        if client is not None:
            await client.aclose()


def client_of(url: str, timeout: float) -> Any:
    """A client that tries twice, for the server may have closed a connection that waited, and no longer: it
    is for the next request to try again.
    """
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1),
    )
