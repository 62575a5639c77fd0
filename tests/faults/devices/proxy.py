"""A TCP proxy whose connections can be frozen, delayed and reset."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future


class _Link:
    def __init__(self, writers: list[asyncio.StreamWriter]) -> None:
        self.writers = writers
        self.flows = asyncio.Event()
        self.flows.set()


class Proxy:
    """Forwards connections to a port on this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._delay_seconds = 0.0
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def half_open(self) -> None:
        """Freeze the existing connections; new ones work."""

        def freeze() -> None:
            for link in self._links:
                link.flows.clear()

        self._call(freeze)

    def slow(self, seconds: float) -> None:
        """Delay each piece of data; 0 ends the delay."""
        self._delay_seconds = seconds

    def reset(self, *, frozen_only: bool = False) -> None:
        """Reset all connections, or only the frozen ones."""

        def abort() -> None:
            for link in list(self._links):
                if frozen_only and link.flows.is_set():
                    continue
                for writer in link.writers:
                    _reset(writer)
                link.flows.set()

        self._call(abort)

    def links(self) -> int:
        """Return the number of connections."""
        return len(self._links)

    def close(self) -> None:
        """Close all connections and stop listening."""
        self.reset()
        self._call(self._server.close)
        self._call(lambda: [task.cancel() for task in asyncio.all_tasks(self._loop)])
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _call(self, function: Callable[[], object]) -> None:
        done: Future[None] = Future()

        def run() -> None:
            try:
                function()
            finally:
                done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(10)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        link = _Link([writer, far_writer])
        self._links.add(link)
        try:
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass(link, reader, far_writer)),
                    asyncio.ensure_future(self._pass(link, far_reader, writer)),
                ],
                # One side closing closes both: neither AMQP nor PostgreSQL half-closes.
                return_when=asyncio.FIRST_COMPLETED,
            )
            await link.flows.wait()  # a frozen link doesn't report that its other end has closed
        finally:
            self._links.discard(link)
            for each in link.writers:
                each.close()

    async def _pass(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await link.flows.wait()
                data = await reader.read(65536)
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                await link.flows.wait()
                if not data:
                    return
                writer.write(data)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
