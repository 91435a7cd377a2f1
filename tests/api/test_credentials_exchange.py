"""Actions as they are run: what one that fails, hangs or lies does to an exchange."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from api.credentials_exchange import Actions, Function, PythonAction, entry_points
from consent import policy
from consent.credentials_exchange import Api, Event, Outcome
from consent.errors import InvalidScope, OAuthError, ServerError, TemporarilyUnavailable
from consent.settings import Settings, SettingsError
from scripts.embedded_redis import free_port
from tests.support.actions import BEFORE, NAMESPACE, SECRET, ActionUrl, an_exchange
from tests.support.domain import NOW, settings

RENAMING = "tests.support.actions:rename_for_the_portal"


def applied(
    *functions: Function, used: Settings | None = None, before: Outcome = BEFORE
) -> Outcome:
    """What the functions, and the URL of the settings, make of an exchange."""

    async def apply() -> Outcome:
        named = {f"action{number}": function for number, function in enumerate(functions)}
        actions = Actions.opened(used or settings(), named, lambda: NOW)
        try:
            return await actions.apply(an_exchange(), before)
        finally:
            await actions.aclose()

    return asyncio.run(apply())


def refusal(*functions: Function, used: Settings | None = None) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        applied(*functions, used=used)
    return caught.value


def claims(**values: object) -> dict[str, object]:
    return {f"{NAMESPACE}{name}": value for name, value in values.items()}


def test_without_actions_nothing_happens() -> None:
    assert applied() is BEFORE


def test_an_action_may_be_a_function_or_a_coroutine_or_return_one() -> None:
    main = threading.get_ident()
    threads: list[int] = []

    def function(_: Event, api: Api) -> None:
        threads.append(threading.get_ident())
        api.access_token.set_custom_claim(f"{NAMESPACE}a", 1)

    async def coroutine(_: Event, api: Api) -> None:
        threads.append(threading.get_ident())
        api.access_token.set_custom_claim(f"{NAMESPACE}b", 2)

    def returning(event: Event, api: Api) -> Awaitable[None]:
        return coroutine(event, api)

    assert applied(function, coroutine, returning).custom_claims == claims(a=1, b=2)
    assert threads[0] != main, "a function may block, and blocks nobody"
    assert threads[1:] == [main, main]


def test_actions_run_in_their_order_and_see_what_was_done_before() -> None:
    seen: list[object] = []

    def first(event: Event, api: Api) -> None:
        seen.append(event.access_token)
        api.access_token.set_custom_claim(f"{NAMESPACE}a", 1)
        api.transaction.set_target_scopes(["admin"])
        api.client.set_name("Renamed")

    def second(event: Event, api: Api) -> None:
        seen.append((event.access_token.custom_claims, event.access_token.scope))
        api.access_token.set_custom_claim(f"{NAMESPACE}b", event.client.name)

    outcome = applied(first, second)

    assert seen[1] == (claims(a=1), ["admin"])
    assert outcome == Outcome(
        scope=["admin"],
        custom_claims=claims(a=1, b="Renamed"),
        client_change={"name": "Renamed"},
    )


def test_a_denial_ends_the_exchange_and_the_actions() -> None:
    called: list[Event] = []

    def denying(_: Event, api: Api) -> None:
        api.access.deny("invalid_scope", "No")

    def after(event: Event, _: Api) -> None:
        called.append(event)

    denied = refusal(denying, after)

    assert type(denied) is InvalidScope
    assert (denied.description, denied.detail) == ("No", "denied by an action: action0")
    assert not called


def raising(error: BaseException) -> Function:
    def action(_: Event, api: Api) -> None:
        api.access_token.set_custom_claim(f"{NAMESPACE}a", "SECRET")
        raise error

    return action


def raising_later(error: BaseException) -> Function:
    async def action(_: Event, __: Api) -> None:
        await asyncio.sleep(0)
        raise error

    return action


@pytest.mark.parametrize("make", [raising, raising_later])
@pytest.mark.parametrize(
    "error", [RuntimeError("SECRET"), ValueError(), SystemExit(3), TimeoutError(), KeyError("x")]
)
def test_an_action_that_raises_is_a_server_error_and_a_full_log_line(
    make: Callable[[BaseException], Function], error: BaseException
) -> None:
    with capture_logs() as logs:
        refused = refusal(make(error))

    assert type(refused) is ServerError
    assert "SECRET" not in refused.description
    [line] = logs
    assert (line["event"], line["action"], line["log_level"]) == (
        "action_failed",
        "action0",
        "error",
    )
    assert (line["client"], line["error"]) == ("bank", type(error).__name__)
    assert line["exc_info"]


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_an_action_that_does_not_come_back_is_left(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "ACTION_TIMEOUT_SECONDS", 0.05)
    release = threading.Event()

    def blocking(_: Event, api: Api) -> None:
        release.wait(20)
        api.access_token.set_custom_claim(f"{NAMESPACE}late", 1)

    async def sleeping(_: Event, __: Api) -> None:
        await asyncio.Event().wait()

    try:
        refused = refusal(blocking if kind == "function" else sleeping)
    finally:
        release.set()

    assert type(refused) is ServerError


def test_hanging_actions_hold_no_threads_but_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """And more of them than there are threads end as well."""
    monkeypatch.setattr(policy, "ACTION_TIMEOUT_SECONDS", 0.1)
    release, started = threading.Event(), []

    def blocking(event: Event, _: Api) -> None:
        started.append(event)
        release.wait(20)

    async def story() -> list[object]:
        action = PythonAction("hanging", blocking)
        calls = [action.apply(an_exchange(), BEFORE) for _ in range(policy.ACTION_THREADS_MAX + 4)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert await asyncio.to_thread(lambda: 7) == 7
        release.set()
        await action.aclose()
        return list(results)

    assert {type(result) for result in asyncio.run(story())} == {ServerError}
    assert len(started) == policy.ACTION_THREADS_MAX


def test_what_is_ignored_is_told() -> None:
    def action(_: Event, api: Api) -> None:
        api.access_token.set_custom_claim("roles", ["admin"])
        api.access_token.set_custom_claim(f"{NAMESPACE}roles", [])

    with capture_logs() as logs:
        outcome = applied(action)

    assert outcome.custom_claims == claims(roles=[])
    [line] = logs
    assert (line["event"], line["claims"]) == ("custom_claims_ignored", ("roles",))


# Entry points


def test_an_entry_point_is_loaded_by_its_name() -> None:
    functions = entry_points(f" {RENAMING} , tests.support.actions:obey,")

    assert list(functions) == [RENAMING, "tests.support.actions:obey"]
    assert entry_points("") == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module_here:action", "cannot be loaded, ModuleNotFoundError"),
        ("tests.support.actions:nothing", "cannot be loaded, AttributeError"),
        ("tests.support.actions:SECRET", "is no function"),
        ("tests.support.actions:ActionUrl", "does not take an event and an api"),
        ("json:loads", "does not take an event and an api"),
        ("tests.support.actions", "is no module:function"),
        ("tests.support.actions.obey", "is no module:function"),
        (":obey", "is no module:function"),
        ("tests.support.actions:", "is no module:function"),
        ("a:b:c", "is no module:function"),
        ("../x:y", "is no module:function"),
    ],
)
def test_what_cannot_be_an_action_stops_the_process(name: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        entry_points(f"{RENAMING},{name}")

    assert str(caught.value).startswith(f"NOD_CREDENTIALS_EXCHANGE_ACTIONS: {name} {reason}")


# The URL


def calling(url: str, **more: str) -> Settings:
    return settings(
        credentials_exchange_url=url,
        credentials_exchange_secret=SECRET,
        credentials_exchange_timeout_milliseconds=more.pop("timeout", "5000"),
        **more,
    )


def test_the_url_is_told_the_event_and_its_answer_is_done() -> None:
    def before(_: Event, api: Api) -> None:
        api.access_token.set_custom_claim(f"{NAMESPACE}a", 1)

    with ActionUrl().serving() as server:
        server.answers(
            {
                "custom_claims": claims(b=2),
                "target_scopes": ["admin"],
                "client": {"name": "Renamed", "metadata": {"team": None}},
            }
        )
        outcome = applied(before, used=calling(server.url))

    assert outcome == Outcome(
        scope=["admin"],
        custom_claims=claims(a=1, b=2),
        client_change={"name": "Renamed", "client_metadata": {"team": None}},
    )
    [event] = server.events
    assert event["access_token"] == {"custom_claims": claims(a=1), "scope": ["read", "write"]}
    assert event["client"] == {
        "client_id": "bank",
        "name": "Example bank",
        "metadata": {"team": "blue"},
    }


def test_a_call_is_signed() -> None:
    with ActionUrl().serving() as server:
        applied(used=calling(server.url))

    [(headers, body)] = server.calls
    mac = hmac.new(SECRET.encode(), f"{NOW}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["nod-signature"] == f"t={NOW},v1={mac}"
    assert headers["content-type"] == "application/json"


def test_the_url_denies() -> None:
    with ActionUrl().serving() as server:
        server.answers({"deny": {"code": "invalid_scope", "reason": "Not on Sundays"}})
        denied = refusal(used=calling(server.url))

    assert (type(denied), denied.description) == (InvalidScope, "Not on Sundays")


FAILURES: dict[str, tuple[int, bytes]] = {
    "another status": (500, b"{}"),
    "created": (201, b"{}"),
    "a redirect": (307, b"{}"),
    "no JSON": (200, b"<html>"),
    "nothing": (200, b""),
    "a list": (200, b"[]"),
    "a member that is misspelt": (200, b'{"denied": {}}'),
    "a scope outside the client grant": (200, b'{"target_scopes": ["all"]}'),
    "a name that no client may have": (200, b'{"client": {"name": "<b>"}}'),
    "too much": (200, b" " * (policy.OUTBOUND_BODY_BYTES_MAX + 1)),
    "deeply nested": (200, b"[" * 60_000),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("open_", ["0", "1"], ids=["closed", "open"])
def test_an_answer_that_is_none_fails_as_it_was_set_to(
    failure: tuple[int, bytes], open_: str
) -> None:
    def before(_: Event, api: Api) -> None:
        api.access_token.set_custom_claim(f"{NAMESPACE}a", 1)

    with ActionUrl().serving() as server, capture_logs() as logs:
        server.status, server.body = failure
        used = calling(server.url, credentials_exchange_fails_open=open_)
        if open_ == "1":
            assert applied(before, used=used).custom_claims == claims(a=1)
        else:
            refused = refusal(before, used=used)
            assert (type(refused), refused.status) == (TemporarilyUnavailable, 503)

    [line] = logs
    assert (line["event"], line["log_level"]) == ("action_url_failed", "warning")
    assert line["issued"] is (open_ == "1")
    assert len(server.calls) == 1


def test_half_an_answer_is_none() -> None:
    """What came before the wrong member is not done either."""
    with ActionUrl().serving() as server:
        server.answers({"custom_claims": claims(a=1), "target_scopes": ["all"]})
        used = calling(server.url, credentials_exchange_fails_open="1")

        assert applied(used=used) == BEFORE


@pytest.mark.parametrize("denial", [{"code": "no such code"}, {}, "yes", True])
def test_failing_open_lets_no_denial_through(denial: object) -> None:
    with ActionUrl().serving() as server:
        server.answers({"deny": denial})
        refused = refusal(used=calling(server.url, credentials_exchange_fails_open="1"))

    assert type(refused) is ServerError


def test_a_url_that_is_late_has_failed() -> None:
    with ActionUrl().serving() as server:
        server.waits_for = threading.Event()
        refused = refusal(used=calling(server.url, timeout="50"))

    assert type(refused) is TemporarilyUnavailable


def test_a_url_where_nobody_is_has_failed() -> None:
    refused = refusal(used=calling(f"http://127.0.0.1:{free_port()}/"))

    assert type(refused) is TemporarilyUnavailable


@pytest.mark.parametrize(("times", "issued"), [(1, True), (2, False)])
def test_a_connection_that_breaks_is_tried_once_more(times: int, *, issued: bool) -> None:
    """A kept connection may be closed by the other side just when it is used again."""
    with ActionUrl().serving() as server:
        server.hangs_up = times
        if issued:
            assert applied(used=calling(server.url)) == BEFORE
        else:
            assert type(refusal(used=calling(server.url))) is TemporarilyUnavailable

    assert len(server.calls) == 2
    assert server.calls[0][0]["nod-signature"] == server.calls[1][0]["nod-signature"]


def test_a_connection_is_kept() -> None:
    with ActionUrl().serving() as server:

        async def story() -> None:
            actions = Actions.opened(calling(server.url), {}, lambda: NOW)
            for _ in range(3):
                await actions.apply(an_exchange(), BEFORE)
            await actions.aclose()

        asyncio.run(story())

    assert len({headers["x-peer"] for headers, _ in server.calls}) == 1


def test_no_secret_reaches_the_log() -> None:
    with ActionUrl().serving() as server, capture_logs() as logs:
        server.body = b'{"client": {"name": "SECRET\\u0000"}, "custom_claims": {"SECRET": 1}}'
        refusal(used=calling(server.url))

    assert "SECRET" not in json.dumps(logs)
    assert SECRET not in json.dumps(logs)
