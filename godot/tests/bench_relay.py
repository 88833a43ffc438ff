"""The plain way, for benchmarks: a relay of JSON over WebSockets that keeps nothing.

A client's first message is {"zone": 3}. What it says afterwards goes, 60 times a second and as one array with what the others
have said, to everybody in its zone.
"""

import asyncio
import json

from websockets.asyncio.server import ServerConnection, broadcast, serve

members: dict[int, set[ServerConnection]] = {}
said: dict[int, list[str]] = {}


async def take(client: ServerConnection) -> None:
    zone = json.loads(await client.recv())["zone"]
    members.setdefault(zone, set()).add(client)
    try:
        async for message in client:
            said.setdefault(zone, []).append(message)
    finally:
        members[zone].discard(client)


async def main() -> None:
    async with serve(take, "127.0.0.1", 0, compression=None) as server:
        print("listening", next(iter(server.sockets)).getsockname()[1], flush=True)
        while True:
            await asyncio.sleep(1 / 60)
            for zone, messages in said.items():
                broadcast(members[zone], "[" + ",".join(messages) + "]")
            said.clear()


asyncio.run(main())
