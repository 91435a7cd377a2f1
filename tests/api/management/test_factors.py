"""/api/v2/guardian/factors: what phones are rung through, and with which credentials."""

import asyncio
import base64
import datetime as dt
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from consent.push_providers import (
    APNS,
    FCM,
    PUSH,
    ApnsKey,
    ApnsProvider,
    FactorRecord,
    ServiceAccount,
    sealed,
    unsealed,
)
from consent.seal import Seal
from consent.store import keys
from scripts.doubles import fcm as fcm_double
from scripts.doubles.certificates import push_certificate
from tests.support.management import NOW, Administration, Story, check_refused

Told = Callable[[Story], None]
BASE = "guardian/factors"
PUSH_PATH = f"{BASE}/push-notification"
TOPIC = "org.example.nod"
P12 = base64.b64encode(push_certificate(TOPIC, now=dt.datetime.fromtimestamp(NOW, dt.UTC))).decode()
P8 = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
SIGNING = {"p8": P8, "key_id": "ABCDE12345", "team_id": "TEAM567890"}
GOOGLE = "https://oauth2.googleapis.com"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = fcm_double.write_credentials(tmp_path_factory.mktemp("fcm"), GOOGLE)
    return path.read_text()


async def apns_stored(admin: Administration) -> ApnsProvider:
    record = await admin.services.directory.read(keys.FACTORS, APNS, FactorRecord)
    assert record is not None
    return unsealed(APNS, record, ApnsProvider, admin.services.seal)


async def events(admin: Administration) -> list[str]:
    entries = await admin.services.store.redis.execute("XRANGE", keys.EVENTS, "-", "+")
    return [str(fields) for _, fields in entries]


def test_people_answer_with_their_phones_and_in_no_other_way(told: Told) -> None:
    async def story(admin: Administration) -> None:
        listed = (await admin.call("GET", BASE)).json()
        assert {each["name"] for each in listed if each["enabled"]} == {PUSH}
        assert {"sms", "email", "otp", "duo", "recovery-code"} < {each["name"] for each in listed}
        assert all(each.keys() == {"name", "enabled", "trial_expired"} for each in listed)

        for name in ("sms", "webauthn-roaming"):
            answer = await admin.call("PUT", f"{BASE}/{name}", {"enabled": True})
            assert "not supported" in check_refused(answer, 400, "not_supported")
            answer = await admin.call("PUT", f"{BASE}/{name}", {"enabled": False})
            assert (answer.status_code, answer.json()) == (200, {"enabled": False})
        answer = await admin.call("PUT", f"{BASE}/pigeon", {"enabled": True})
        check_refused(answer, 404, "inexistent_factor")

    told(story)


def test_the_factor_is_turned_off_and_on(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for enabled in (False, True):
            answer = await admin.call("PUT", PUSH_PATH, {"enabled": enabled})
            assert (answer.status_code, answer.json()) == (200, {"enabled": enabled})
            [listed, *_] = (await admin.call("GET", BASE)).json()
            assert listed == {"name": PUSH, "enabled": enabled, "trial_expired": False}
        assert sum("push-notification" in event for event in await events(admin)) == 2

    told(story)


@pytest.mark.parametrize("body", [{}, {"enabled": "yes"}, {"enabled": None}, {"enabled": 1}])
def test_a_factor_is_on_or_off(told: Told, body: object) -> None:
    async def story(admin: Administration) -> None:
        check_refused(await admin.call("PUT", PUSH_PATH, body), 400, "invalid_body")

    told(story)


def test_pushes_go_to_apple_and_google_directly(told: Told) -> None:
    async def story(admin: Administration) -> None:
        path = f"{PUSH_PATH}/selected-provider"
        assert (await admin.call("GET", path)).json() == {"provider": "direct"}
        answer = await admin.call("PUT", path, {"provider": "direct"})
        assert (answer.status_code, answer.json()) == (200, {"provider": "direct"})
        for provider in ("guardian", "sns"):
            answer = await admin.call("PUT", path, {"provider": provider})
            check_refused(answer, 400, "not_supported")
        check_refused(await admin.call("PUT", path, {"provider": "else"}), 400, "invalid_body")
        check_refused(await admin.call("PUT", path, {}), 400, "invalid_body")

    told(story)


APNS_PATH = f"{PUSH_PATH}/providers/apns"
FCM_PATH = f"{PUSH_PATH}/providers/fcmv1"


def test_a_certificate_is_put_and_its_app_is_shown(told: Told) -> None:
    async def story(admin: Administration) -> None:
        none = {"bundle_id": None, "sandbox": False, "enabled": False}
        assert (await admin.call("GET", APNS_PATH)).json() == none
        answer = await admin.call("PUT", APNS_PATH, {"sandbox": True, "p12": P12})
        shown = {"sandbox": True, "bundle_id": TOPIC}
        assert (answer.status_code, answer.json()) == (200, shown)
        assert (await admin.call("GET", APNS_PATH)).json() == shown | {"enabled": True}

        # PUT says all of it: what is left out is as at the beginning.
        answer = await admin.call("PUT", APNS_PATH, {"p12": P12, "bundle_id": TOPIC})
        assert answer.json() == {"sandbox": False, "bundle_id": TOPIC}

        for _ in range(2):
            answer = await admin.call("DELETE", APNS_PATH)
            assert (answer.status_code, answer.content) == (204, b"")
        assert (await admin.call("GET", APNS_PATH)).json() == none

    told(story)


def test_a_signing_key_does_instead_of_a_certificate(told: Told) -> None:
    async def story(admin: Administration) -> None:
        answer = await admin.call("PUT", APNS_PATH, SIGNING | {"bundle_id": TOPIC})
        assert answer.json() == {"sandbox": False, "bundle_id": TOPIC}
        assert (await apns_stored(admin)).credentials == ApnsKey(
            P8, SIGNING["key_id"], SIGNING["team_id"]
        )

    told(story)


def test_a_patch_leaves_what_it_does_not_name(told: Told) -> None:
    async def story(admin: Administration) -> None:
        check_refused(await admin.call("PATCH", APNS_PATH, {"sandbox": True}), 400, "invalid_body")
        answer = await admin.call("PATCH", APNS_PATH, SIGNING | {"bundle_id": "org.example.other"})
        assert answer.status_code == 200, answer.text

        answer = await admin.call("PATCH", APNS_PATH, {"sandbox": True})
        assert answer.json() == {"sandbox": True, "bundle_id": "org.example.other"}
        answer = await admin.call("PATCH", APNS_PATH, {"bundle_id": TOPIC, "p12": None})
        assert answer.json() == {"sandbox": True, "bundle_id": TOPIC}
        assert isinstance((await apns_stored(admin)).credentials, ApnsKey)

        answer = await admin.call("PATCH", APNS_PATH, {"p12": P12})
        assert answer.json() == {"sandbox": True, "bundle_id": TOPIC}
        answer = await admin.call("PATCH", APNS_PATH, {"bundle_id": "org.example.other"})
        assert "certificate" in check_refused(answer, 400, "invalid_body")

    told(story)


def test_changes_at_once_are_all_made(told: Told) -> None:
    async def story(admin: Administration) -> None:
        await asyncio.gather(
            *[
                admin.call("PATCH", APNS_PATH, {**SIGNING, "bundle_id": TOPIC, **more})
                for more in ({}, {"sandbox": True}, {}, {})
            ]
        )
        assert (await admin.call("GET", APNS_PATH)).json()["sandbox"] is True

    told(story)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"bundle_id": TOPIC},
        {"p12": "A" * 10_001},
        {"p12": "AAAA"},
        {"p12": 7},
        {"p12": P12, "bundle_id": "org.example.other"},
        {"p12": P12, "sandbox": "true"},
        {"p12": P12, **SIGNING},
        SIGNING,
        {"bundle_id": "a\r\nx: y", **SIGNING},
        {"bundle_id": "é", **SIGNING},
        {"bundle_id": "a" * 156, **SIGNING},
        {"bundle_id": TOPIC, **SIGNING, "p8": None},
        {"bundle_id": TOPIC, **SIGNING, "p8": ""},
        {"bundle_id": TOPIC, **SIGNING, "p8": P8.replace("PRIVATE", "PUBLIC")},
        {"bundle_id": TOPIC, **SIGNING, "p8": "A" * 1_025},
        {"bundle_id": TOPIC, **SIGNING, "p8": [P8]},
        {"bundle_id": TOPIC, **SIGNING, "key_id": "short"},
        {"bundle_id": TOPIC, **SIGNING, "team_id": None},
        {"bundle_id": TOPIC, **SIGNING, "team_id": "TEAM56789\n"},
    ],
)
def test_credentials_that_would_not_work_are_refused_when_they_are_put(
    told: Told, body: dict[str, object]
) -> None:
    async def story(admin: Administration) -> None:
        for method in ("PUT", "PATCH"):
            said = check_refused(await admin.call(method, APNS_PATH, body), 400, "invalid_body")
            assert "BEGIN" not in said
        assert (await admin.call("GET", APNS_PATH)).json()["enabled"] is False

    told(story)


def test_a_certificate_that_has_expired_is_refused(told: Told) -> None:
    async def story(admin: Administration) -> None:
        admin.now = NOW + 31 * 86_400
        assert "expired" in check_refused(
            await admin.call("PUT", APNS_PATH, {"p12": P12}), 400, "invalid_body"
        )

    told(story)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_service_account_is_put_and_its_key_never_shown(
    told: Told, account: str, method: str
) -> None:
    async def story(admin: Administration) -> None:
        none = {"project_id": None, "enabled": False}
        assert (await admin.call("GET", FCM_PATH)).json() == none
        answer = await admin.call(method, FCM_PATH, {"server_credentials": account})
        assert (answer.status_code, answer.json()) == (200, {})
        shown = {"project_id": fcm_double.PROJECT, "enabled": True}
        assert (await admin.call("GET", FCM_PATH)).json() == shown

        record = await admin.services.directory.read(keys.FACTORS, FCM, FactorRecord)
        assert record is not None
        stored = unsealed(FCM, record, ServiceAccount, admin.services.seal)
        assert stored.private_key == json.loads(account)["private_key"]
        assert (await admin.call("DELETE", FCM_PATH)).status_code == 204
        assert (await admin.call("GET", FCM_PATH)).json() == none

    told(story)


@pytest.mark.parametrize(
    "token_uri",
    [
        "http://oauth2.googleapis.com/token",
        "http://127.0.0.1:8000/token",
        "https://127.0.0.1/token",
        "https://169.254.169.254/token",
        "https://10.0.0.1/token",
        "https://localhost/token",
        "https://token.googleapis.com:6379/",
        "https://[/token",
        "file:///etc/passwd",
        "",
        None,
        7,
    ],
)
def test_tokens_are_fetched_from_public_hosts_alone(
    told: Told, account: str, token_uri: object
) -> None:
    async def story(admin: Administration) -> None:
        text = json.dumps(json.loads(account) | {"token_uri": token_uri})
        answer = await admin.call("PUT", FCM_PATH, {"server_credentials": text})
        check_refused(answer, 400, "invalid_body")

    told(story)


@pytest.mark.parametrize("credentials", [None, 7, {}, "", "{}", "[" * 9_000, "\x00", "x" * 10_001])
def test_what_is_no_service_account_is_refused(told: Told, credentials: object) -> None:
    async def story(admin: Administration) -> None:
        answer = await admin.call("PUT", FCM_PATH, {"server_credentials": credentials})
        check_refused(answer, 400, "invalid_body")

    told(story)


def test_the_legacy_provider_of_google_is_said_to_be_dead(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for method in ("PUT", "PATCH"):
            answer = await admin.call(method, f"{PUSH_PATH}/providers/fcm", {"server_key": "k"})
            assert "fcmv1" in check_refused(answer, 400, "not_supported")

    told(story)


def test_no_credentials_are_in_the_store_the_events_or_the_logs(
    told: Told, account: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async def story(admin: Administration) -> None:
        secret_lines = [P8.split("\n")[1], json.loads(account)["private_key"].split("\n")[1]]
        await admin.call("PUT", APNS_PATH, SIGNING | {"bundle_id": TOPIC})
        await admin.call("PUT", FCM_PATH, {"server_credentials": account})
        await admin.call("PUT", FCM_PATH, {"server_credentials": account[:-4]})
        stored = await admin.services.store.redis.execute("HVALS", keys.FACTORS)
        told_of = await events(admin)
        assert len([event for event in told_of if PUSH in event]) == 2
        written = [*map(str, stored), *told_of, caplog.text, *capsys.readouterr()]
        for line in [*secret_lines, SIGNING["key_id"], "iam.gserviceaccount.com"]:
            assert not [text for text in written if line in text]

    with caplog.at_level(logging.DEBUG):
        told(story)


def test_a_record_of_another_secret_key_is_as_none_and_is_put_again(told: Told) -> None:
    async def story(admin: Administration) -> None:
        provider = ApnsProvider(bundle_id=TOPIC, credentials=ApnsKey("pem", "K", "T"))
        stranger = sealed(APNS, provider, Seal("j" * 32))
        await admin.services.directory.write(keys.FACTORS, APNS, stranger)

        assert (await admin.call("GET", APNS_PATH)).json()["enabled"] is False
        check_refused(await admin.call("PATCH", APNS_PATH, {"sandbox": True}), 400, "invalid_body")
        assert (await admin.call("PATCH", APNS_PATH, {"p12": P12})).status_code == 200
        assert (await admin.call("GET", APNS_PATH)).json()["enabled"] is True

    told(story)
