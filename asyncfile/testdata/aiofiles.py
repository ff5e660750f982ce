"""What BenchmarkSmallFiles does, with aiofiles: python3 aiofiles.py [operations].

Needs: pip install aiofiles.
"""

import asyncio
import os
import sys
import tempfile
import time

# This file has the name of what it imports.
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]
import aiofiles  # noqa: E402

TASKS = 32
DATA = bytes(1024)


async def main(operations):
    left = operations
    late = 0.0

    async def tick():
        nonlocal late
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            late = max(late, time.perf_counter() - began - 0.001)

    async def work(directory):
        nonlocal left
        while left > 0:
            left -= 1
            name = os.path.join(directory, str(left % 1000))
            async with aiofiles.open(name, "wb") as f:
                await f.write(DATA)
            async with aiofiles.open(name, "rb") as f:
                await f.read()

    with tempfile.TemporaryDirectory() as directory:
        ticker = asyncio.create_task(tick())
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(work(directory) for _ in range(TASKS)))
        cpu, took = time.process_time() - cpu, time.perf_counter() - began
        ticker.cancel()
    print(f"{took / operations * 1e6:.1f} µs/op {cpu / operations * 1e6:.1f} cpu-µs/op {late * 1e3:.1f} late-ms")


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20000))
