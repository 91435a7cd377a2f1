"""Whether those who are told the issuer's name find this server behind it."""

import httpx2

from consent.settings import Settings
from consent.strict_json import MalformedJSON, loads_object
from scripts.administration.checks.finding import Finding, failure, ok, warning

NAME = "issuer"
PATH = ".well-known/openid-configuration"
TIMEOUT_SECONDS = 5.0
_BYTES_MAX = 65_536


async def issuer(
    settings: Settings, transport: httpx2.AsyncBaseTransport | None = None
) -> list[Finding]:
    """OpenID Connect Discovery 4.3: the document at the issuer names that issuer, to the letter."""
    url = settings.url(PATH)
    try:
        status, body = await _fetched(url, transport)
    except (httpx2.HTTPError, TimeoutError) as error:
        text = f"{url} cannot be reached from here ({type(error).__name__})"
        advice = "is the API up, and does the name lead to it? Clients must reach it"
        return [warning(NAME, text, advice)]
    if status != httpx2.codes.OK:
        advice = "is this server behind NOD_ISSUER, and does the proxy hand every path over?"
        return [failure(NAME, f"{url} answers {status}", advice)]
    try:
        named = loads_object(body).get("issuer")
    except MalformedJSON:
        named = None
    if named != settings.issuer:
        text = f"{url} is not the document of {settings.issuer}"
        return [failure(NAME, text, "every API process needs the NOD_ISSUER that clients know")]
    return [ok(NAME, f"{settings.issuer} answers and names itself")]


async def _fetched(url: str, transport: httpx2.AsyncBaseTransport | None) -> tuple[int, bytes]:
    async with (
        httpx2.AsyncClient(
            transport=transport, timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False
        ) as client,
        client.stream("GET", url) as response,
    ):
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _BYTES_MAX:
                break
        return response.status_code, body
