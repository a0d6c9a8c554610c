"""An echo server of the text protocol on the standard library, to be put under test: python FILE PORT."""

import asyncio
import sys

LIMIT = 1024 * 1024


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            line = await reader.readuntil(b"\n")
            if len(line) > LIMIT + 1:
                break
            writer.write(line.rstrip(b"\r\n") + b"\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        pass
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), limit=LIMIT)
    async with server:
        await server.serve_forever()


asyncio.run(main())
