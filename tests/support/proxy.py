"""A TCP proxy in front of Redis that knows where a command and its reply begin and end."""

import asyncio
import collections
import contextlib
import enum
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

import hiredis

T = TypeVar("T")


class Fault(enum.Enum):
    CUT_BEFORE = "the connection breaks before the command arrives"
    CUT_AFTER = "the command is carried out, its reply is lost with the connection"
    SILENCE = "the command is carried out, and nothing is heard on this connection any more"
    HOLD = "the command waits here and nothing passes after it"


Chooser = Callable[[int, list[bytes]], Fault | None]


class Proxy:
    """
    In a thread of its own. `choose` sees every command with its number and may name a fault;
    `caught` is set when one has happened. `delay_seconds` holds back every read's replies.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.choose: Chooser = lambda _number, _command: None
        self.delay_seconds: Callable[[], float] = lambda: 0.0
        self.caught = threading.Event()
        self.commands = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _close(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _serve(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target_port)
            faults: collections.deque[Fault | None] = collections.deque()
            directions = {
                asyncio.ensure_future(self._commands(near_reader, far, faults)),
                asyncio.ensure_future(self._replies(far_reader, near, faults)),
            }
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for direction in directions:
                    direction.cancel()
                await asyncio.wait(directions)
        except (OSError, asyncio.CancelledError):
            pass  # the target is away, or the test is over: both show as a closed connection
        finally:
            self._connections.discard(task)
            for writer in filter(None, (near, far)):
                writer.transport.abort()

    async def _commands(
        self,
        near: asyncio.StreamReader,
        far: asyncio.StreamWriter,
        faults: collections.deque[Fault | None],
    ) -> None:
        parser = hiredis.Reader()
        with contextlib.suppress(OSError):
            while data := await near.read(65_536):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    self.commands += 1
                    fault = self.choose(self.commands, command)
                    if fault in {Fault.CUT_BEFORE, Fault.HOLD}:
                        self.caught.set()
                        if fault is Fault.CUT_BEFORE:
                            return
                        await asyncio.Event().wait()
                    faults.append(fault)
                    far.write(hiredis.pack_command(tuple(command)))

    async def _replies(
        self,
        far: asyncio.StreamReader,
        near: asyncio.StreamWriter,
        faults: collections.deque[Fault | None],
    ) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while data := await far.read(65_536):
                await asyncio.sleep(self.delay_seconds())
                buffer += data
                begin = 0
                while (end := end_of_reply(buffer, begin)) > 0:
                    pushed = buffer[begin : begin + 1] == b">"  # nobody's reply
                    fault = faults.popleft() if faults and not pushed else None
                    if fault is not None:
                        self.caught.set()
                    if fault is Fault.CUT_AFTER:
                        return
                    if fault is Fault.SILENCE:
                        await asyncio.Event().wait()
                    near.write(buffer[begin:end])
                    begin = end
                buffer = buffer[begin:]


def end_of_reply(data: bytes, begin: int) -> int:
    """Where the reply (RESP2 or RESP3) that begins there ends, -1 while it is incomplete."""
    line_end = data.find(b"\r\n", begin)
    if line_end < 0:
        return -1
    end = line_end + 2
    kind, count = data[begin : begin + 1], data[begin + 1 : line_end]
    if kind in b"$=!" and int(count) >= 0:
        end += int(count) + 2
        return end if end <= len(data) else -1
    if kind in b"*~>%|":
        for _ in range(int(count) * (2 if kind in b"%|" else 1)):
            end = end_of_reply(data, end)
            if end < 0:
                return -1
    return end
