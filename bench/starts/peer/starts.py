"""The peer of bench/starts in CPython: starts.py N MANY MEGABYTES"""

import asyncio
import resource
import sys
import time


def cpu():
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime


async def main(n, many, megabytes):
    memory = bytearray(b"\1") * (megabytes << 20)
    began, used = time.monotonic(), cpu()
    left = n

    async def work():
        nonlocal left
        while left > 0:
            left -= 1
            process = await asyncio.create_subprocess_exec("/bin/true")
            if await process.wait() != 0:
                raise SystemExit("true is false")

    await asyncio.gather(*(work() for _ in range(many)))
    print(time.monotonic() - began, cpu() - used)
    del memory


asyncio.run(main(*map(int, sys.argv[1:])))
