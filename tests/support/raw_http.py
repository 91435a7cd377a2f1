"""A uvicorn server in a thread, and a client that writes octets and reads responses."""

import json
import socket
import threading
from typing import Any, NamedTuple, Self

import uvicorn
from starlette.types import ASGIApp


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)


class Client:
    """One connection. Nothing waits for more than 10 s."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self._stream = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def response(self) -> Response:
        response = self._next()
        assert response is not None, "the server ended the connection"
        return response

    def responses(self) -> list[Response]:
        """All until the server ends the connection."""
        return [*iter(self._next, None)]

    def _next(self) -> Response | None:
        line = self._stream.readline()
        if not line:
            return None
        headers = {}
        while field := self._stream.readline().strip():
            name, _, value = field.decode().partition(": ")
            headers[name] = value
        body = self._stream.read(int(headers.get("content-length", 0)))
        return Response(int(line.split()[1]), headers, body)


class Server:
    """Listens from the start on a port of its own; `stop` waits for its end."""

    def __init__(self, app: ASGIApp, **config: Any) -> None:  # noqa: ANN401
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, lifespan="off", **config)
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))
        self._thread.start()

    def connect(self) -> Client:
        return Client(self._listener.getsockname())

    def exchange(self, *pieces: bytes) -> list[Response]:
        """Send everything, whatever comes back meanwhile; then every response."""
        with self.connect() as client:
            client.send(*pieces)
            return client.responses()

    def ask(self, *pieces: bytes) -> Response:
        (response,) = self.exchange(*pieces)
        return response

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()
