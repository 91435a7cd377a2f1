"""
fakeredis over TCP, for a machine on which no Redis or Valkey server can be had.

    python -m scripts.fake_redis_server PORT

Nothing is kept when it ends.
"""

import sys

from fakeredis._clients import _tcp_server


def serve(port: int) -> None:
    # As shipped, each MULTI waits 40 ms: small writes under Nagle's algorithm meet the delayed
    # acknowledgement of the other side.
    handler = _tcp_server.TCPFakeRequestHandler
    handler.disable_nagle_algorithm = True
    handler.wbufsize = -1
    _tcp_server.TcpFakeServer(("127.0.0.1", port), server_type="valkey").serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
