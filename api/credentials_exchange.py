"""
The actions that are configured to see a `client_credentials` exchange before its token is issued:
functions of the operator's, and then a URL of the operator's (auth0-wire 3.8).

An action that fails ends the exchange, for what it was there to prevent is not known. The URL
alone may be set to be done without; what it denies is denied even then.
"""

import asyncio
import inspect
import pkgutil
import re
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Protocol, Self

import aiohttp
import msgspec
import structlog

from consent import policy
from consent.action_call import SIGNATURE_HEADER, apply_answer, signature
from consent.credentials_exchange import Api, Exchange, Outcome
from consent.errors import ServerError, TemporarilyUnavailable
from consent.settings import Settings, SettingsError

log = structlog.get_logger()
Function = Callable[..., object]

_ENTRY_POINT = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "Nod",
}


class Action(Protocol):
    async def apply(self, exchange: Exchange, before: Outcome) -> Outcome:
        """Raises OAuthError: then nothing is issued."""

    async def aclose(self) -> None: ...


class Actions:
    """All of them, in order; each sees what those before it have done."""

    def __init__(self, actions: list[Action]) -> None:
        self._actions = actions

    @classmethod
    def opened(
        cls, settings: Settings, functions: dict[str, Function], clock: Callable[[], float]
    ) -> Self:
        """Lives on the event loop it was built on. Raises SettingsError."""
        actions: list[Action] = [PythonAction(name, it) for name, it in functions.items()]
        if settings.credentials_exchange_url:
            actions.append(UrlAction(settings, clock))
        return cls(actions)

    async def apply(self, exchange: Exchange, before: Outcome) -> Outcome:
        """What is to be issued. Raises OAuthError."""
        outcome = before
        for action in self._actions:
            outcome = await action.apply(exchange, outcome)
        return outcome

    async def aclose(self) -> None:
        for action in self._actions:
            await action.aclose()


class PythonAction:
    """`def on_execute_credentials_exchange(event, api)`, also an async one."""

    def __init__(self, name: str, function: Function) -> None:
        self._name = name
        self._function = function
        # Its own: a function that does not come back holds a thread, of these and nobody else's.
        self._threads = ThreadPoolExecutor(policy.ACTION_THREADS_MAX, thread_name_prefix="action")

    async def apply(self, exchange: Exchange, before: Outcome) -> Outcome:
        api = Api(exchange, before)
        try:
            async with asyncio.timeout(policy.ACTION_TIMEOUT_SECONDS):
                await self._execute(exchange.event(before), api)
        except (Exception, SystemExit) as error:
            log.exception(
                "action_failed",
                action=self._name,
                client=exchange.client.client_id,
                error=type(error).__name__,
            )
            raise ServerError("The exchange could not be completed", detail=self._name) from None
        return _settled(exchange, api, self._name)

    async def _execute(self, event: object, api: Api) -> None:
        if inspect.iscoroutinefunction(self._function):
            await self._function(event, api)
            return
        loop = asyncio.get_running_loop()
        returned = await loop.run_in_executor(self._threads, self._function, event, api)
        if inspect.isawaitable(returned):
            await returned

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class UrlAction:
    """
    The event as JSON to the operator's URL, signed; the answer says what to do.

    The URL is a setting, nobody's input, so it may lead wherever the operator's network does.
    """

    _name = "url"

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        """Raises SettingsError."""
        self._clock = clock
        self._url = settings.credentials_exchange_url
        self._secret = settings.credentials_exchange_secret
        self._timeout_seconds = settings.credentials_exchange_timeout_milliseconds / 1_000
        self._fails_open = settings.credentials_exchange_fails_open
        trust = ssl.create_default_context()
        if settings.outbound_ca_file:
            try:
                trust.load_verify_locations(settings.outbound_ca_file)
            except OSError:
                raise SettingsError("NOD_OUTBOUND_CA_FILE: holds no authority (PEM)") from None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None),  # a whole call has its own
            auto_decompress=False,  # so that what is counted is what is kept
            trust_env=False,
        )

    async def apply(self, exchange: Exchange, before: Outcome) -> Outcome:
        api = Api(exchange, before)
        body = msgspec.json.encode({"event": exchange.event(before)})
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._answer(body)
            apply_answer(answer, api)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            return self._failed(exchange, before, error)
        return _settled(exchange, api, self._name)

    def _failed(self, exchange: Exchange, before: Outcome, error: Exception) -> Outcome:
        log.warning(
            "action_url_failed",
            client=exchange.client.client_id,
            error=type(error).__name__,
            reason=str(error) if type(error) is ValueError else "",  # ours, of what it answered
            issued=self._fails_open,
        )
        if self._fails_open:
            return before
        raise TemporarilyUnavailable(detail="the action's URL failed") from None

    async def _answer(self, body: bytes) -> bytes:
        """The body of its 200. Raises ValueError and what aiohttp raises."""
        headers = {SIGNATURE_HEADER: signature(self._secret, body, self._clock())}
        try:
            return await self._post(body, headers)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # A connection that was kept may have been closed while the call was on its way.
            return await self._post(body, headers)

    async def _post(self, body: bytes, headers: dict[str, str]) -> bytes:
        async with self._session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            if answer.status != HTTPStatus.OK:
                raise ValueError(f"the status is {answer.status}")
            read = bytearray()
            async for chunk in answer.content.iter_any():
                read += chunk
                if len(read) > policy.OUTBOUND_BODY_BYTES_MAX:
                    raise ValueError("the answer is too large")
            return bytes(read)

    async def aclose(self) -> None:
        await self._session.close()


def _settled(exchange: Exchange, api: Api, name: str) -> Outcome:
    """What an action that is through has made of the exchange. Raises its denial."""
    if api.ignored_claims:
        log.warning(
            "custom_claims_ignored",
            action=name,
            client=exchange.client.client_id,
            claims=api.ignored_claims,
            reason="not a namespaced URL",
        )
    if api.denial is not None:
        api.denial.detail += f": {name}"
        raise api.denial
    return api.outcome()


def entry_points(text: str) -> dict[str, Function]:
    """The functions of a comma separated list, by their names. Raises SettingsError."""
    return {name: _loaded(name) for name in map(str.strip, text.split(",")) if name}


def _loaded(name: str) -> Function:
    if not _ENTRY_POINT.fullmatch(name):
        raise _unusable(name, "is no module:function")
    try:
        function: object = pkgutil.resolve_name(name)
    except (Exception, SystemExit) as error:  # whatever a module does when it is imported
        raise _unusable(name, f"cannot be loaded, {type(error).__name__}: {error}") from error
    if not callable(function):
        raise _unusable(name, "is no function")
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError):
        raise _unusable(name, "does not take an event and an api") from None
    return function


def _unusable(name: str, reason: str) -> SettingsError:
    return SettingsError(f"NOD_CREDENTIALS_EXCHANGE_ACTIONS: {name} {reason}")
