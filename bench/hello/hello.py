"""The peer of bench/hello in CPython."""

import asyncio


async def main():
    print("hello")


asyncio.run(main())
