"""Run many containers at once with asyncio.

python examples/async_many.py [IMAGE]
"""

import asyncio
import sys

import boxship

COUNT = 12


async def main(client: boxship.AsyncClient, image: str) -> None:
    await client.images.pull(image)
    few = asyncio.Semaphore(6)

    async def one(number: int) -> boxship.Result:
        async with few:
            return await client.containers.run(image, ["sh", "-c", f"echo $(({number} * {number})); exit {number}"])

    results = await asyncio.gather(*(one(number) for number in range(COUNT)))
    for number, result in enumerate(results):
        print(f"{number} squared is {result.output.decode().strip()}, exit status {result.exit_status}")


async def connect_and_run(image: str) -> None:
    async with await boxship.connect_async() as client:
        await main(client, image)


if __name__ == "__main__":
    asyncio.run(connect_and_run(sys.argv[1] if len(sys.argv) > 1 else "docker.io/library/busybox:latest"))
