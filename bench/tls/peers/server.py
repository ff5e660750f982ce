"""A TLS server on asyncio or uvloop: server.py PORT echo|send CERT KEY proto|streams asyncio|uvloop."""

import asyncio
import ssl
import sys

port, does, cert, key, mode, which = sys.argv[1:]
block = bytes(64 << 10)


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def streams(reader, writer):
    try:
        while does == "send":
            writer.write(block)
            await writer.drain()
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.transport.abort()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.num_tickets = 1
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # of clients that reset
    if mode == "proto" and does == "echo":
        server = await loop.create_server(Echo, "127.0.0.1", port, ssl=context, backlog=4096)
    else:
        server = await asyncio.start_server(streams, "127.0.0.1", port, ssl=context, backlog=4096)
    await server.serve_forever()


if which == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(main())
