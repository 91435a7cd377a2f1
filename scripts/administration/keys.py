"""The keys that sign tokens: which there are, the next one, and the end of an old one."""

from typing import Annotated

import typer

from consent import policy
from consent.audit.event import Act
from consent.client import SigningAlgorithm
from consent.key_ring import Entry, KeyRing
from consent.store.signing_keys import SigningKeys
from scripts.administration.installation import AdministrationError, Installation, asked
from scripts.administration.operator import CLIENT_ID
from scripts.administration.output import Json, as_json, date, table

app = typer.Typer(help="The keys that sign tokens.", no_args_is_help=True)


@app.command("list")
def list_keys(*, json: Json = False) -> None:
    """Every key: which signs, and until when the others are published."""
    ring, now_ms = asked(_ring)
    rows = [_row(entry, now_ms) for entry in ring.entries]
    if json:
        print(as_json(rows))
    else:
        print(table(rows) or "there is no key yet: an algorithm's first is made when it is needed")


@app.command()
def rotate(
    *,
    alg: Annotated[SigningAlgorithm, typer.Option(help="of the tokens it signs")] = "ES256",
    overlap_seconds: Annotated[
        int,
        typer.Option(
            min=0,
            max=policy.TOKEN_LIFE_SECONDS_MAX,
            help="how long it is published before it signs: as long as anybody keeps a copy of "
            "the key set (this server lets them for 300 s); 0 in an emergency",
        ),
    ] = 600,
    json: Json = False,
) -> None:
    """Add a key that is published at once and signs after the overlap."""

    async def rotated(installation: Installation) -> dict[str, object]:
        signing_keys = SigningKeys(installation.directory, installation.seal)
        act = Act("Add a signing key", client_id=CLIENT_ID)
        kid = await signing_keys.rotate(alg, overlap_seconds=overlap_seconds, act=act)
        ring = await signing_keys.ring()
        [entry] = [entry for entry in ring.entries if entry.key.kid == kid]
        return _row(entry, await installation.directory.now_ms())

    row = asked(rotated)
    print(as_json(row) if json else f"{row['kid']} signs {alg} from {row['signs_from']}")


# A kid may begin with a dash.
@app.command(context_settings={"ignore_unknown_options": True})
def remove(
    kid: Annotated[str, typer.Argument(help="as `list` shows it")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Forget a key at once. What it signed verifies no more; an emergency begins with `rotate`."""
    if not yes:
        typer.confirm(f"Tokens that {kid} signed will be refused. Remove it?", abort=True, err=True)

    async def removed(installation: Installation) -> str:
        act = Act("Remove a signing key", client_id=CLIENT_ID)
        return await SigningKeys(installation.directory, installation.seal).remove(kid, act=act)

    match asked(removed):
        case "unknown":
            raise AdministrationError("there is no such key")
        case "signing":
            raise AdministrationError("this key signs: rotate first, and remove it after that")
    print(f"{kid} is removed")


async def _ring(installation: Installation) -> tuple[KeyRing, int]:
    ring = await SigningKeys(installation.directory, installation.seal).ring()
    return ring, await installation.directory.now_ms()


def _row(entry: Entry, now_ms: int) -> dict[str, object]:
    until = entry.published_until
    return {
        "kid": entry.key.kid,
        "alg": entry.key.alg,
        "state": entry.state(now_ms),
        "signs_from": date(entry.signs_from) if entry.signs_from else None,
        "published_until": date(until) if until is not None else None,
    }
