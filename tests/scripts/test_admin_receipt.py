"""`scripts/admin receipt verify`: what somebody at a terminal is told of a receipt."""

import json
from pathlib import Path
from typing import Any

import pytest

from consent.jose import unverified_claims
from consent.receipt import TYPE
from consent.signing_key import new_signing_key
from tests.support.command_line import CommandLine
from tests.support.domain import vector

KEPT: dict[str, Any] = vector("receipt")
CLAIMS: dict[str, Any] = unverified_claims(KEPT["receipt"])


@pytest.fixture
def admin() -> CommandLine:
    """Far from every installation."""
    return CommandLine({"NOD_DATA_DIR": "/nowhere"})


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    return written(tmp_path / "keys.json", json.dumps(KEPT["jwks"]))


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


FORMS = {
    "bare": KEPT["receipt"],
    "with a line's end": KEPT["receipt"] + "\n",
    "as it was answered": json.dumps({"receipt": KEPT["receipt"]}),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_it_is_told_who_approved_what_and_when(
    admin: CommandLine, tmp_path: Path, jwks: str, text: str
) -> None:
    """With a file and the keys of its time, and no installation."""
    told = admin.told("receipt", "verify", written(tmp_path / "r", text), "--jwks", jwks)

    for line in (
        "user auth0|u1",
        "approved_at 2026-09-21T14:13:20.250Z",
        "shown.client.name Example bank",
        "shown.requested_details.binding_message Pay 25.50",
        "shown.requested_details.authorization_details type amount to parts order 25.5 愛子",
        "the device signs what was shown ok",
    ):
        assert line in " ".join(told.split())


def test_programs_read_json(admin: CommandLine, tmp_path: Path, jwks: str) -> None:
    path = written(tmp_path / "r", KEPT["receipt"])

    said = admin.json("receipt", "verify", path, "--jwks", jwks)

    assert said["holds"] is True
    assert (said["user"], said["device"][:4]) == ("auth0|u1", "dev_")
    assert {it["failure"] for it in said["checks"]} == {None}


def test_what_does_not_hold_is_told_beside_what_does(admin: CommandLine, tmp_path: Path) -> None:
    """And the exit code says so."""
    key = new_signing_key()
    claims = CLAIMS | {"device_signature": CLAIMS["device_signature"][:-4] + "AAAA"}
    path = written(tmp_path / "r", key.sign(claims, TYPE))
    jwks = written(tmp_path / "k", json.dumps({"keys": [key.public]}))

    done = admin.run("receipt", "verify", path, "--jwks", jwks)

    assert done.exit_code == 1
    assert str(done.exception) == "the receipt does not hold: the signature is wrong"
    told = " ".join(done.stdout.split())
    assert "signed by the device the signature is wrong" in told
    assert "signed by the issuer ok" in told
    said = json.loads(admin.run("receipt", "verify", path, "--jwks", jwks, "--json").stdout)
    assert said["holds"] is False


def test_without_the_key_of_its_time_nothing_of_it_is_told(
    admin: CommandLine, tmp_path: Path
) -> None:
    path = written(tmp_path / "r", KEPT["receipt"])
    jwks = written(tmp_path / "k", json.dumps({"keys": [new_signing_key().public]}))

    done = admin.run("receipt", "verify", path, "--jwks", jwks)

    assert "those published at its time are needed" in str(done.exception)
    assert "auth0|u1" not in done.stdout
    assert done.exit_code == 1


UNREADABLE = {
    "no key set": (KEPT["receipt"], "[]", "the key set: not a JWK Set"),
    "keys that are no JSON": (KEPT["receipt"], "keys", "the key set: not JSON"),
    "a secret among the keys": (KEPT["receipt"], '{"keys":[{"kty":"oct"}]}', "private"),
    "another answer": ('{"error":"x"}', '{"keys":[]}', "no member `receipt`"),
    "broken JSON": ("{", '{"keys":[]}', "malformed"),
}


@pytest.mark.parametrize(("text", "jwks", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_one_line(
    admin: CommandLine, tmp_path: Path, text: str, jwks: str, said: str
) -> None:
    paths = (written(tmp_path / "r", text), "--jwks", written(tmp_path / "k", jwks))

    assert said in admin.refused("receipt", "verify", *paths)


@pytest.mark.parametrize("octets", [b"", b"\xff\xfe", b"a.b.c"], ids=ascii)
def test_whatever_is_no_receipt_does_not_hold(
    admin: CommandLine, tmp_path: Path, jwks: str, octets: bytes
) -> None:
    path = tmp_path / "r"
    path.write_bytes(octets)

    done = admin.run("receipt", "verify", str(path), "--jwks", jwks)

    assert "the receipt does not hold" in str(done.exception)


def test_the_help_says_which_keys_are_needed(admin: CommandLine) -> None:
    told = " ".join(admin.told("receipt", "verify", "--help").split())

    assert "published for 30 days" in told
    assert "does not hold" in told
