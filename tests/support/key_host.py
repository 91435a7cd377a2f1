"""A client's host over loopback, https, that answers for its jwks_uri."""

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from scripts.doubles.certificates import Certificates


class Answer(NamedTuple):
    status: int = 200
    body: bytes = b""
    location: str = ""


class KeyHost:
    """`answers` are by path; to a path without one nothing is said until `release`."""

    def __init__(self, certificates: Certificates) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, float]] = []  # what, and when by the monotonic clock
        self.heard = threading.Condition()
        self._released = threading.Event()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.reply(self)

            def log_message(self, *_: Any) -> None:  # noqa: ANN401 - as it is declared
                pass

        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificates.server_cert_file, certificates.server_key_file)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def serve(self, path: str, *jwks: dict[str, Any]) -> str:
        """The URL of a key set."""
        return self.answer(path, Answer(body=json.dumps({"keys": jwks}).encode()))

    def answer(self, path: str, answer: Answer) -> str:
        self.answers[path] = answer
        return self.url + path

    def times(self, path: str) -> list[float]:
        return [at for asked, at in self.asked if asked == path]

    def wait_until_asked(self, path: str) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: self.times(path), timeout=10)

    def release(self) -> None:
        """Whoever waits hears a 503."""
        self._released.set()

    def stop(self) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        with self.heard:
            self.asked.append((handler.path, time.monotonic()))
            self.heard.notify_all()
        answer = self.answers.get(handler.path)
        if answer is None:
            self._released.wait(timeout=30)
            answer = Answer(503)
        handler.send_response(answer.status)
        if answer.location:
            handler.send_header("Location", answer.location)
        handler.send_header("Content-Type", "application/jwk-set+json")
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)
