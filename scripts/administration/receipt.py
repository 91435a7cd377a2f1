"""Receipts of approvals: whether what one says can be believed."""

from collections.abc import Sequence
from typing import Annotated

import typer

from consent import jose, policy
from consent.receipt import Receipt, Verification, verification
from consent.store.signing_keys import SigningKeys
from consent.strict_json import MalformedJSON, loads, loads_object
from scripts.administration.installation import AdministrationError, Installation, asked
from scripts.administration.output import Json, Record, as_json, details, table

app = typer.Typer(
    help="Receipts of approvals, which applications get at /oauth/receipt.", no_args_is_help=True
)

_DAYS = policy.KEY_PUBLISHED_AFTER_SECONDS // 86_400


@app.callback()
def commands_have_names() -> None:
    """With one command alone, its name would be taken for an argument."""


@app.command(
    help=f"""
    Prove who approved what, when, and with which device. Exit code 1 if any of it does not hold.

    \b
      scripts/admin receipt verify receipt.json
      scripts/admin receipt verify receipt.jwt --jwks keys.json

    With --jwks it needs neither an installation nor a network. A key that signs no more is
    published for {_DAYS} days, and a receipt is for longer: keep the key set of its time with it.
    An installation also knows its own keys that are published no more, until they are removed.

    An app that knows nothing of digests signs no more than that it was asked: then the issuer alone
    says what was shown, and the receipt does not hold.
    """
)
def verify(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(
            metavar="FILE", help="a receipt, or the answer it came in; - for standard input"
        ),
    ],
    *,
    jwks: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(help="the issuer's key set (JWKS) at the time; else this installation's"),
    ] = None,
    json: Json = False,
) -> None:
    text = _receipt_in(file.read())
    keys = asked(_own_keys) if jwks is None else _key_set(jwks.read())
    found = verification(text, keys)
    if json:
        print(as_json(_as_record(found)))
    else:
        if found.receipt is not None:
            print(f"{details(_told(found.receipt))}\n")
        print(table([{"check": it.name, "result": it.failure or "ok"} for it in found.checks]))
    if not found.holds:
        failures = "; ".join(it.failure for it in found.checks if it.failure)
        raise AdministrationError(f"the receipt does not hold: {failures}")


async def _own_keys(installation: Installation) -> Sequence[jose.PublicKey]:
    ring = await SigningKeys(installation.directory, installation.seal).ring()
    return ring.public_keys()


def _key_set(data: bytes) -> Sequence[jose.PublicKey]:
    try:
        return jose.key_set(loads(data))
    except (MalformedJSON, jose.UnusableKey) as error:
        raise AdministrationError(f"the key set: {error}") from None


def _receipt_in(data: bytes) -> str:
    """The compact JWS, bare or as the endpoint answered it."""
    if not data.lstrip().startswith(b"{"):
        return data.strip().decode(errors="replace")
    try:
        text = loads_object(data).get("receipt")
    except MalformedJSON as error:
        raise AdministrationError(f"the JSON is malformed: {error.reason}") from None
    if not isinstance(text, str):
        raise AdministrationError("the JSON has no member `receipt` that is a text")
    return text


def _told(receipt: Receipt) -> Record:
    """Who approved what, for people."""
    return {
        "user": receipt.sub,
        "approved_at": receipt.approved_at,
        "device": receipt.device.id,
        "issuer": receipt.iss,
        "acr": receipt.acr,
        "shown": {name: it for name, it in receipt.consent.items() if name != "id"},
        "consent": receipt.txn,
    }


def _as_record(found: Verification) -> Record:
    checks = [{"check": it.name, "failure": it.failure or None} for it in found.checks]
    record: Record = {"holds": found.holds, "checks": checks}
    return record if found.receipt is None else record | _told(found.receipt)
