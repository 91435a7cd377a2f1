"""
A real nginx, by the configuration that the README recommends: what a client's certificate is when
it arrives behind it.
"""

import contextlib
import os
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx2
import jwt
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from consent import policy
from consent.client_certificate import certificate_of, thumbprint
from scripts import nginx
from scripts.doubles.certificates import Certificates, write_certificates
from tests.support.authentication import AnyMethodClient
from tests.support.client_certificates import CA, Issued, an_authority, self_signed
from tests.support.equipped import authority
from tests.support.nod import CIBA, Nod
from tests.support.raw_http import Server
from tests.support.redis_server import RedisServer
from tests.support.refusals import refusal_of


class Upstream(Server):
    """Answers with what has arrived; `peers` are the connections it has seen."""

    def __init__(self) -> None:
        self.peers: set[int] = set()
        super().__init__(Starlette(routes=[Route("/{path:path}", self._echo, methods=["POST"])]))

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    async def _echo(self, request: Request) -> JSONResponse:
        assert request.client is not None
        self.peers.add(request.client.port)
        octets = len(await request.body())
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        version = request.scope["http_version"]
        return JSONResponse({"headers": headers, "octets": octets, "http_version": version})


class Front:
    """nginx, and clients of it who know whom they mean by their SNI and Host."""

    def __init__(self, port: int, certificates: Certificates) -> None:
        self.port = port
        self._certificates = certificates

    def post(
        self,
        *headers: tuple[str, str],
        host: str = nginx.MTLS_HOST,
        sni: str | None = None,
        shown: Path | None = None,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        content: bytes = b"",
    ) -> httpx2.Response:
        with self.client(sni=sni or host, shown=shown, version=version) as http:
            return http.post("oauth/token", headers=[("Host", host), *headers], content=content)

    def client(
        self,
        *,
        sni: str = nginx.MTLS_HOST,
        shown: Path | None = None,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> httpx2.Client:
        trust = ssl.create_default_context(cafile=str(self._certificates.ca_file))
        trust.check_hostname = False  # the documented names are not those of the test's certificate
        trust.set_ciphers("DEFAULT:@SECLEVEL=0")  # what is refused, the server shall refuse
        trust.minimum_version = trust.maximum_version = version
        if shown is not None:
            trust.load_cert_chain(shown)
        return httpx2.Client(
            base_url=f"https://127.0.0.1:{self.port}/",
            verify=trust,
            event_hooks={"request": [lambda it: it.extensions.update(sni_hostname=sni)]},
            timeout=15,
        )


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def front(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with in_front_of(upstream.port, tmp_path_factory.mktemp("nginx")) as front:
        yield front


@contextlib.contextmanager
def in_front_of(upstream_port: int, directory: Path) -> Iterator[Front]:
    if nginx.nginx_command(os.environ["PATH"]) is None and sys.platform != "linux":
        pytest.skip("there is no wheel of nginx for this system, and none on the PATH")
    certificates = write_certificates(directory)
    with nginx.running(directory / "nginx", certificates, upstream_port) as port:
        yield Front(port, certificates)


def arrived(answer: httpx2.Response, name: str = "client-cert") -> list[str]:
    """The values of a header behind nginx."""
    assert answer.status_code == 200, answer.text
    return [value for header, value in answer.json()["headers"] if header == name]


AT = time.time()
AUTHORITY = an_authority(at=AT)
BETWEEN = AUTHORITY.issue("Between", CA, at=AT)
LOW = BETWEEN.issue("Low", CA, at=AT)
LOWEST = LOW.issue("Lowest", CA, at=AT)
OTHER = self_signed("mallory", at=AT)
FORGED = [
    ("Client-Cert", OTHER.escaped),
    ("Client-Cert", OTHER.client_cert),
    ("client-cert", OTHER.escaped),
    ("CLIENT-CERT", OTHER.escaped),
]
CLIENTS: dict[str, tuple[Issued, bytes]] = {
    "self-signed": (self_signed("bank", at=AT), b""),
    "of an authority nginx does not know": (AUTHORITY.issue("bank", at=AT), b""),
    "with its chain": (BETWEEN.issue("bank", at=AT), BETWEEN.pem),
    "with its chain and the authority": (
        BETWEEN.issue("bank", at=AT),
        BETWEEN.pem + AUTHORITY.pem,
    ),
    "with as long a chain as there is": (
        LOWEST.issue("bank", at=AT),
        LOWEST.pem + LOW.pem + BETWEEN.pem + AUTHORITY.pem,
    ),
}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_the_certificate_of_the_handshake_arrives(
    front: Front, client: tuple[Issued, bytes], version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """D064, D065: whoever vouches for it, and nothing that the client says of itself."""
    issued, chain = client
    shown = issued.write(tmp_path / "client.pem")
    with shown.open("ab") as file:
        file.write(chain)

    for headers in ([], FORGED):
        [header] = arrived(front.post(*headers, shown=shown, version=version))
        assert certificate_of(header) == issued.certificate


@pytest.mark.parametrize("host", [nginx.HOST, nginx.MTLS_HOST])
@pytest.mark.parametrize("forged", FORGED)
def test_a_header_of_the_clients_own_does_not_arrive(
    front: Front, host: str, forged: tuple[str, str]
) -> None:
    """D064: a certificate is public, so that the header would be all that it takes."""
    assert arrived(front.post(forged, host=host)) == []


def test_a_header_is_not_saved_by_naming_it_hop_by_hop(front: Front, tmp_path: Path) -> None:
    """RFC 9110 7.6.1: `Connection` could have a proxy take out its own header."""
    issued = self_signed("bank", at=AT)
    shown = issued.write(tmp_path / "client.pem")

    [header] = arrived(front.post(("Connection", "Client-Cert"), FORGED[0], shown=shown))

    assert certificate_of(header) == issued.certificate


@pytest.mark.parametrize("host", [nginx.HOST, nginx.MTLS_HOST])
def test_a_client_that_shows_none_is_served(front: Front, host: str) -> None:
    assert arrived(front.post(host=host)) == []


def test_nobody_is_asked_for_a_certificate_at_the_public_name(front: Front, tmp_path: Path) -> None:
    """RFC 8705 5: or browsers would have their owners choose one."""
    shown = self_signed("bank", at=AT).write(tmp_path / "client.pem")

    assert arrived(front.post(host=nginx.HOST, shown=shown)) == []
    assert arrived(front.post(host="other.example.com", shown=shown)) == []


def test_the_name_in_tls_and_the_name_in_http_are_one(front: Front, tmp_path: Path) -> None:
    """RFC 9110 7.4: what was agreed with one server is not carried to the other."""
    shown = self_signed("bank", at=AT).write(tmp_path / "client.pem")

    assert front.post(host=nginx.MTLS_HOST, sni=nginx.HOST, shown=shown).status_code == 421


def test_an_expired_certificate_is_refused_at_once(front: Front, tmp_path: Path) -> None:
    shown = self_signed("bank", at=AT - 86_400).write(tmp_path / "client.pem")

    answer = front.post(shown=shown)

    assert answer.status_code == 400
    assert "certificate" in answer.text


@pytest.mark.parametrize("host", [nginx.HOST, nginx.MTLS_HOST])
def test_connections_to_the_api_are_kept(front: Front, upstream: Upstream, host: str) -> None:
    upstream.peers.clear()

    answers = [front.post(host=host) for _ in range(5)]

    assert len(upstream.peers) == 1
    assert {answer.json()["http_version"] for answer in answers} == {"1.1"}
    assert arrived(answers[0], "host") == [host]
    assert arrived(answers[0], "connection") == []


@pytest.mark.parametrize("host", [nginx.HOST, nginx.MTLS_HOST])
def test_a_body_may_be_as_large_as_the_api_takes(front: Front, host: str) -> None:
    assert front.post(host=host, content=bytes(65_536)).json()["octets"] == 65_536
    assert front.post(host=host, content=bytes(65_537)).status_code == 413


def test_old_tls_is_refused(front: Front) -> None:
    """B022."""
    with (
        pytest.warns(DeprecationWarning, match="TLSv1_1"),
        pytest.raises(httpx2.ConnectError, match="alert protocol version"),
    ):
        front.post(version=ssl.TLSVersion.TLSv1_1)


def test_a_held_poll_is_waited_for() -> None:
    """A125: read from the configuration, for waiting would take as long as it says."""
    seconds = [
        int(line.split()[1].removesuffix("s;"))
        for line in nginx.EXAMPLE.read_text().splitlines()
        if line.split()[:1] == ["proxy_read_timeout"]
    ]

    assert len(seconds) == 2
    assert min(seconds) > policy.LONG_POLL_SECONDS_MAX


# A whole Nod behind it, and clients that are who their certificates say


class Behind(NamedTuple):
    nod: Nod
    front: Front


@pytest.fixture(scope="module")
def behind(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    directory = tmp_path_factory.mktemp("behind")
    authorities = directory / "clients.pem"
    authorities.write_bytes(authority().pem)
    nod = Nod(
        redis_server.database(12),
        directory,
        trusted_proxies="127.0.0.1",
        client_certificate_ca_file=str(authorities),
    )
    with in_front_of(nod.port, directory) as front:
        nod.environ["NOD_MTLS_BASE_URL"] = f"https://{nginx.MTLS_HOST}:{front.port}/"
        try:
            yield Behind(nod.start(), front)
        finally:
            nod.stop()


class CertifiedClient:
    """Its tokens are bound to what it shows, whatever it is authenticated by."""

    def __init__(self, behind: Behind, method: str, directory: Path) -> None:
        self.nod, self._front, self._directory = behind.nod, behind.front, directory
        self.any = AnyMethodClient(
            self.nod,
            method,
            tls_client_certificate_bound_access_tokens=True,
        )
        self.certificate = (
            self.any.issued_certificate if method == "tls_client_auth" else self.any.own_certificate
        )
        self.user_id = self.nod.new_user()
        self.phone = self.nod.new_phone(self.user_id)

    def post(
        self,
        path: str,
        shown: Issued | None,
        headers: dict[str, str] | None = None,
        /,
        **form: str,
    ) -> httpx2.Response:
        """As it is told by the metadata: to the alias of the endpoint."""
        return self._send("POST", path, shown, headers, {**self.any.offer("none").form, **form})

    def userinfo(self, token: str, shown: Issued | None) -> httpx2.Response:
        return self._send("GET", "userinfo", shown, {"Authorization": f"Bearer {token}"})

    def _send(
        self,
        method: str,
        path: str,
        shown: Issued | None,
        headers: dict[str, str] | None,
        form: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        file = shown.write(self._directory / "shown.pem") if shown else None
        with self._front.client(shown=file) as http:
            named = {"Host": f"{nginx.MTLS_HOST}:{self._front.port}", **(headers or {})}
            return http.request(method, path, headers=named, data=form)

    def asked(self, shown: Issued | None = None) -> httpx2.Response:
        return self.post(
            "bc-authorize",
            shown or self.certificate,
            scope="openid offline_access",
            binding_message="Pay 10",
            login_hint=self.user_id,
        )

    def poll(self, auth_req_id: str, shown: Issued | None) -> httpx2.Response:
        return self.post("oauth/token", shown, grant_type=CIBA, auth_req_id=auth_req_id)

    def approve(self) -> None:
        for notification in self.phone.pending():
            self.phone.resolve(notification, accept=True)


@pytest.fixture(params=["tls_client_auth", "self_signed_tls_client_auth"])
def certified(behind: Behind, request: pytest.FixtureRequest, tmp_path: Path) -> CertifiedClient:
    return CertifiedClient(behind, request.param, tmp_path)


def bound_to(token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["cnf"].keys() == {"x5t#S256"}
    return str(claims["cnf"]["x5t#S256"])


UNKNOWN = (401, "invalid_client", "Client authentication failed")


def test_a_certified_client_gets_tokens_bound_to_its_certificate(
    certified: CertifiedClient,
) -> None:
    """D060, D061, D062, D085: from the first question to the last use of the token."""
    shown, stranger = certified.certificate, self_signed("mallory", at=AT)
    auth_req_id = str(certified.asked().json()["auth_req_id"])
    pending = certified.poll(auth_req_id, shown)
    certified.approve()
    tokens = certified.poll(auth_req_id, shown).json()
    token = str(tokens["access_token"])
    seen = certified.post("oauth/introspect", shown, token=token).json()
    refreshed = certified.post(
        "oauth/token", shown, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
    ).json()

    assert pending.json()["error"] == "authorization_pending"
    assert tokens["token_type"] == "Bearer"  # RFC 8705 3
    assert bound_to(token) == thumbprint(shown.certificate)
    assert bound_to(refreshed["access_token"]) == thumbprint(shown.certificate)
    assert seen["cnf"] == {"x5t#S256": thumbprint(shown.certificate)}
    assert certified.userinfo(token, shown).json()["sub"] == certified.user_id
    for other in (stranger, None):
        refused = certified.userinfo(token, other)
        assert refusal_of(refused, token)[:2] == (401, "invalid_token")
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    # Nor at the public name, where a certificate is not asked for, or next to the proxy.
    bearer = {"Authorization": f"Bearer {token}"}
    assert certified.nod.http.get("userinfo", headers=bearer).status_code == 401


def test_a_poll_without_its_certificate_is_refused_and_changes_nothing(
    certified: CertifiedClient,
) -> None:
    """A129: before the state of the request is told, pending or approved."""
    auth_req_id = str(certified.asked().json()["auth_req_id"])
    others = (None, self_signed("mallory", at=AT), authority().issue("bank", at=AT))

    for other in others:
        assert refusal_of(certified.poll(auth_req_id, other), auth_req_id) == UNKNOWN
    certified.approve()
    for other in others:
        assert refusal_of(certified.poll(auth_req_id, other), auth_req_id) == UNKNOWN

    assert certified.poll(auth_req_id, certified.certificate).status_code == 200


def test_a_header_of_the_clients_own_proves_nothing_behind_nginx(
    certified: CertifiedClient,
) -> None:
    """D064: a certificate is public, and so is the header that would show it."""
    shown = certified.certificate
    for name in ("Client-Cert", "client-cert", "CLIENT-CERT"):
        for value in (shown.client_cert, shown.escaped):
            for other in (None, self_signed("mallory", at=AT)):
                answer = certified.post("oauth/introspect", other, {name: value}, token="x")
                assert refusal_of(answer) == UNKNOWN


def test_who_signs_shows_its_certificate_for_its_tokens(behind: Behind, tmp_path: Path) -> None:
    """RFC 8705 3, A129, B013: authenticated by another method, bound by whatever it shows."""
    client = CertifiedClient(behind, "private_key_jwt", tmp_path)
    missing = 400, "invalid_request", "A client certificate is needed"
    shown, later = (self_signed("bank", at=AT) for _ in range(2))

    def token_request(certificate: Issued | None, **form: str) -> httpx2.Response:
        return client.post("oauth/token", certificate, **form, **client.any.offer().form)

    def start() -> str:
        form = {"scope": "openid offline_access", "binding_message": "x"}
        form["login_hint"] = client.user_id
        answer = client.post("bc-authorize", None, **form, **client.any.offer().form)
        return str(answer.json()["auth_req_id"])

    polled = {"grant_type": CIBA, "auth_req_id": start()}
    assert refusal_of(token_request(None, **polled)) == missing
    client.approve()
    assert refusal_of(token_request(None, **polled)) == missing
    tokens = token_request(shown, **polled).json()
    assert bound_to(tokens["access_token"]) == thumbprint(shown.certificate)

    refresh = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    assert refusal_of(token_request(None, **refresh)) == missing
    refreshed = token_request(later, **refresh).json()
    assert bound_to(refreshed["access_token"]) == thumbprint(later.certificate)  # D085
    assert client.userinfo(refreshed["access_token"], later).status_code == 200
    assert client.userinfo(refreshed["access_token"], shown).status_code == 401


def test_the_metadata_leads_to_where_certificates_are_asked_for(behind: Behind) -> None:
    """RFC 8705 5, D037, D063."""
    with behind.front.client(sni=nginx.HOST) as http:
        answer = http.get(".well-known/openid-configuration", headers={"Host": nginx.HOST})
    metadata = answer.json()
    base = f"https://{nginx.MTLS_HOST}:{behind.front.port}/"

    assert metadata["tls_client_certificate_bound_access_tokens"] is True
    aliases = metadata["mtls_endpoint_aliases"]
    assert aliases["token_endpoint"] == f"{base}oauth/token"
    assert aliases["backchannel_authentication_endpoint"] == f"{base}bc-authorize"
    for name, url in aliases.items():
        assert url.removeprefix(base) == metadata[name].removeprefix(behind.nod.url)
