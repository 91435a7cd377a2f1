"""
fakeredis over TCP, for a machine on which no Redis or Valkey server can be had.

    python -m scripts.fake_redis_server PORT

Nothing is kept when it ends.
"""

import sys

from fakeredis._clients import _tcp_server
from redis.exceptions import ResponseError


class Handler(_tcp_server.TCPFakeRequestHandler):  # type: ignore[misc]  # fakeredis is untyped here
    """A connection that behaves as one to a real server where fakeredis' own does not."""

    # As shipped, each MULTI waits 40 ms: small writes under Nagle's algorithm meet the delayed
    # acknowledgement of the other side.
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        """An error is a reply like any other: as shipped, it closes the connection."""
        super().setup()
        read = self.current_client.read_response

        def reply() -> object:
            try:
                return read()
            except ResponseError as error:
                return error

        self.current_client.read_response = reply


def serve(port: int) -> None:
    server = _tcp_server.TcpFakeServer(("127.0.0.1", port), server_type="valkey")
    server.RequestHandlerClass = Handler
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
