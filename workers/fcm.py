"""
Google's push service (FCM HTTP v1): a push becomes a message, an answer becomes an outcome.

The functions are pure. `FcmSender` adds one HTTP session and an access token; it knows neither
requests for consent nor Redis. Source: Firebase, "FCM HTTP v1 API" and its `FcmError` codes.

pyfcm names the endpoint, and google-auth, which it brings, reads the service account. Its own
sending is not used: it blocks, obeys any Retry-After by sleeping, repeats without limit, fetches
a token for every thread, and takes a wrong project for a dead phone (every 404 is "not
registered"). Its payload builder knows no installation ids. The session here is that of aiohttp,
which pyfcm brings.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec
from google.auth.credentials import TokenState
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials
from pyfcm import FCMNotification

from consent.push import Push, fcm_content
from workers.outcome import Delivered, Outcome, Rejected, RetryAfter, Unregistered
from workers.retry_after import retry_after_seconds

CONNECTIONS_MAX = 32
IDLE_SECONDS_MAX = 120.0

UNAUTHENTICATED = RetryAfter(None, "UNAUTHENTICATED")
ERROR_CODES = frozenset(
    {
        "INTERNAL",
        "INVALID_ARGUMENT",
        "QUOTA_EXCEEDED",
        "SENDER_ID_MISMATCH",
        "THIRD_PARTY_AUTH_ERROR",
        "UNAVAILABLE",
        "UNREGISTERED",
    }
)
# How OAuth says that trying again is of no use (RFC 6749 5.2).
_CREDENTIALS_REFUSED = frozenset(
    {"invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client"}
)
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_TARGETS = {"fcm_token": "token", "fcm_fid": "fid"}
_MESSAGE_NAME = re.compile(r"projects/[^/]+/messages/([0-9A-Za-z:%._-]{1,128})")


class _Detail(msgspec.Struct):
    error_code: str = msgspec.field(name="errorCode", default="")


class _Error(msgspec.Struct, frozen=True):
    details: list[_Detail] = []


class _Answer(msgspec.Struct):
    name: str = ""
    error: _Error = _Error()


def message(push: Push) -> dict[str, object]:
    """The body of `messages:send`. Raises KeyError for an address that is not FCM's."""
    return {
        "message": {
            _TARGETS[push.address.kind]: push.address.value,
            **fcm_content(push),
            "android": {
                "priority": "HIGH",
                "ttl": f"{push.lifetime_seconds}s",
                "collapse_key": push.collapse_id,
            },
        }
    }


def outcome_of(
    status: int, headers: Mapping[str, str], body: bytes, *, now_seconds: float
) -> Outcome:
    """`headers` are looked up without regard to case; `now_seconds` (epoch) dates Retry-After."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = _Answer()
    if status == HTTPStatus.OK:
        name = _MESSAGE_NAME.fullmatch(answer.name)
        return Delivered(name[1]) if name else RetryAfter(None, "malformed_answer")
    codes = (detail.error_code for detail in answer.error.details)
    reason = next((code for code in codes if code in ERROR_CODES), f"HTTP_{status}")
    if status == HTTPStatus.NOT_FOUND and reason == "UNREGISTERED":
        return Unregistered(None)
    if status == HTTPStatus.UNAUTHORIZED and reason != "THIRD_PARTY_AUTH_ERROR":
        return UNAUTHENTICATED
    seconds = retry_after_seconds(headers.get("Retry-After"), now_seconds)
    # 413 is temporary only when it says until when (RFC 9110 15.5.14).
    too_large_for_now = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and seconds is not None
    too_many = status == HTTPStatus.TOO_MANY_REQUESTS
    if too_many or too_large_for_now or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RetryAfter(seconds, reason)
    return Rejected(reason)


class FcmSender:
    """Lives on the event loop it was built on, with one session that all sends share."""

    def __init__(
        self, account: Mapping[str, Any], *, base_url: str, timeout_seconds: float
    ) -> None:
        """`account` is the JSON of a service account; `timeout_seconds` bounds a whole send, the
        fetching of a token included.

        Raises what google-auth raises for an account it cannot use.
        """
        credentials = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            account, scopes=[_SCOPE]
        )
        endpoint = FCMNotification(credentials=credentials)
        endpoint.FCM_END_POINT_BASE = f"{base_url.rstrip('/')}/v1/projects"
        self._url: str = endpoint.fcm_end_point
        self._token = AccessToken(credentials, timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX, keepalive_timeout=IDLE_SECONDS_MAX
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # a whole send has its own
            trust_env=False,
        )

    async def send(self, push: Push) -> Outcome:
        """Never raises for what the network or Google does."""
        body = msgspec.json.encode(message(push))
        try:
            async with asyncio.timeout(self._timeout_seconds):
                token = await self._token.current()
                outcome = await self._post(body, token)
                if outcome == UNAUTHENTICATED:
                    outcome = await self._post(body, await self._token.current(refused=token))
                return outcome
        except TimeoutError:
            return RetryAfter(None, "timeout")
        except CredentialsRefusedError:
            return Rejected("credentials_refused")
        except TokenUnavailableError:
            return RetryAfter(None, "token_unavailable")
        except aiohttp.ClientSSLError:  # told apart: somebody has to act on it
            return RetryAfter(None, "tls")
        except (aiohttp.ClientError, OSError):
            return RetryAfter(None, "network")

    async def aclose(self) -> None:
        await self._token.aclose()
        await self._session.close()

    async def _post(self, body: bytes, token: str) -> Outcome:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with self._session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as response:
            content = await response.read()
        return outcome_of(response.status, response.headers, content, now_seconds=time.time())


class TokenUnavailableError(Exception):
    """No access token could be had now."""


class CredentialsRefusedError(Exception):
    """Google does not accept the service account."""


class AccessToken:
    """The service account's OAuth token, fetched by google-auth in a thread, once for all."""

    def __init__(self, credentials: Any, timeout_seconds: float) -> None:  # noqa: ANN401
        self._credentials = credentials
        self._timeout_seconds = timeout_seconds
        self._fetching: asyncio.Task[None] | None = None

    async def current(self, *, refused: str | None = None) -> str:
        """The token; near its end it is used while the next is fetched; never one refused."""
        state, token = self._credentials.token_state, self._credentials.token
        usable = state is not TokenState.INVALID and token != refused
        if self._fetching is None and not (usable and state is TokenState.FRESH):
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        if not usable and self._fetching is not None:
            await asyncio.shield(self._fetching)
        return str(self._credentials.token)

    async def aclose(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await asyncio.to_thread(self._refresh)
        except RefreshError as error:
            answer = error.args[1] if len(error.args) > 1 else None
            if isinstance(answer, dict) and answer.get("error") in _CREDENTIALS_REFUSED:
                raise CredentialsRefusedError from error
            raise TokenUnavailableError from error
        except (GoogleAuthError, TimeoutError, TypeError, ValueError) as error:
            # TypeError and ValueError: google-auth trusts a 200 to be a JSON object.
            raise TokenUnavailableError from error

    def _fetched(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # it was raised to whoever waited; a fetch ahead of time has nobody

    def _refresh(self) -> None:
        request = Request()
        request.session.trust_env = False
        # Its URL was judged when it was put; where that points to was not (T18).
        request.session.max_redirects = 0
        try:
            self._credentials.refresh(partial(request, timeout=self._timeout_seconds))
        finally:
            request.session.close()
