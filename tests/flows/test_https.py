"""https by the process itself: most client libraries refuse anything else."""

import ssl
from pathlib import Path

import httpx2
import pytest

from scripts.doubles.certificates import write_certificates
from tests.support.nod import Nod as Installation
from tests.support.nod import Process, wait_for
from tests.support.redis_server import RedisServer


def test_the_api_serves_https_with_the_certificate_it_is_given(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """A002, D030: and its issuer, unless it is told another, says so."""
    files = write_certificates(tmp_path)
    plain = Installation(redis_server.url, tmp_path / "nod")
    environ = plain.environ | {
        "NOD_HOST": "localhost",
        "NOD_TLS_CERT_FILE": str(files.server_cert_file),
        "NOD_TLS_KEY_FILE": str(files.server_key_file),
        "NOD_FCM_CREDENTIALS_FILE": "",
    }
    api = Process("api", environ, tmp_path / "api.log")
    api.start()
    trust = ssl.create_default_context(cafile=str(files.ca_file))
    try:
        with httpx2.Client(base_url=f"https://localhost:{plain.port}", verify=trust) as http:
            wait_for(lambda: _alive(http), "https")
            metadata = http.get("/.well-known/openid-configuration").json()
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"http://localhost:{plain.port}/healthz")
    finally:
        api.kill()
        plain.http.close()

    assert metadata["issuer"] == f"https://localhost:{plain.port}/"
    assert metadata["token_endpoint"].startswith(metadata["issuer"])


def _alive(http: httpx2.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx2.TransportError:
        return False
