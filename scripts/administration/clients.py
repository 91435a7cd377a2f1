"""Applications: who may ask, and how they prove who they are."""

from typing import Annotated

import typer

from consent.client import CIBA_GRANT
from scripts.administration.arguments import ANY_ID, Yes, confirm
from scripts.administration.bodies import Body, Members, body_of
from scripts.administration.listing import TAKE_DEFAULT, After, Every, Listed, Page, Take, show_list
from scripts.administration.operator import at, called
from scripts.administration.output import Json, Record, as_json, details

app = typer.Typer(
    help="Applications that ask people, or call APIs.",
    no_args_is_help=True,
)

ClientId = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="as `clients list` shows it")]
_SHOWN_ONCE = "\nThe secret is shown this once: keep it now."


def _row(client: Record) -> Record:
    asks = CIBA_GRANT in client["grant_types"]
    return {
        "client_id": client["client_id"],
        "authenticates_by": client["token_endpoint_auth_method"],
        "delivery_mode": client["backchannel_token_delivery_mode"] if asks else None,
        "first_party": client["is_first_party"],
        "name": client["name"],
    }


@app.command("list")
def list_clients(
    *, take: Take = TAKE_DEFAULT, after: After = "", every: Every = False, json: Json = False
) -> None:
    """
    Every application, in the order of their ids.

    A dash below `delivery mode` is one that may not ask people (it has no CIBA grant).
    """
    listed = Listed("/clients", "clients", _row, text="name")
    show_list(listed, Page(take, after, every), json=json)


@app.command(context_settings=ANY_ID)
def show(client_id: ClientId, *, json: Json = False) -> None:
    """What is registered of one. Its secret is not: only a digest of it is kept."""
    client = called("GET", at("clients", client_id))
    print(as_json(client) if json else details(client))


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="what people see when it asks them")],
    members: Members = None,
    *,
    grant_type: Annotated[
        list[str] | None,
        typer.Option(
            help="`ciba`, `client_credentials`, `refresh_token` or any other by its full name; "
            "may be repeated",
            show_default=False,
        ),
    ] = None,
    file: Body = "",
    json: Json = False,
) -> None:
    """
    Register an application and print it, with its secret.

    \b
    One that asks people, and is told of the answer by a ping:
      scripts/admin clients create "Bank" --grant-type ciba \\
        backchannel_token_delivery_mode=ping \\
        backchannel_client_notification_endpoint=https://bank.example/answered
    One that calls an API by itself (see `grants create`):
      scripts/admin clients create "Nightly report" --grant-type client_credentials
    One that signs its requests with its own keys:
      scripts/admin clients create "Bank" --grant-type ciba \\
        token_endpoint_auth_method=private_key_jwt jwks_uri=https://bank.example/jwks.json

    It may ask at once; an API it calls by itself needs a grant first.
    """
    kinds = [CIBA_GRANT if it == "ciba" else it for it in grant_type or ()]
    body = body_of(members, file, name=name, grant_types=kinds)
    _print_with_secret(called("POST", "/clients", body), json=json)


@app.command(context_settings=ANY_ID)
def change(
    client_id: ClientId, members: Members = None, *, file: Body = "", json: Json = False
) -> None:
    """
    Change members of one. Those that are not named stay as they are.

    \b
      scripts/admin clients change CLIENT_ID name="New name" long_poll_seconds=30
      scripts/admin clients change CLIENT_ID client_metadata.owner=payments

    It counts from its next request on.
    """
    client = called("PATCH", at("clients", client_id), body_of(members, file))
    print(as_json(client) if json else details(client))


@app.command(context_settings=ANY_ID)
def rotate_secret(client_id: ClientId, *, yes: Yes = False, json: Json = False) -> None:
    """Make a new secret. The old one is good for nothing from that moment on."""
    client = called("GET", at("clients", client_id))
    confirm(f"The secret that {client['name']} has will be refused. Make a new one?", yes=yes)
    _print_with_secret(called("POST", at("clients", client_id, "rotate-secret")), json=json)


@app.command(context_settings=ANY_ID)
def delete(client_id: ClientId, *, yes: Yes = False) -> None:
    """Remove an application. Its open requests, its tokens and its grants end with it."""
    client = called("GET", at("clients", client_id))
    confirm(f"Remove {client['name']}, with its open requests, tokens and grants?", yes=yes)
    called("DELETE", at("clients", client_id))
    print(f"{client_id} is removed")


def _print_with_secret(client: Record, *, json: bool) -> None:
    if json:
        print(as_json(client))
        return
    first = ("client_id", "client_secret")
    print(details({name: client[name] for name in first if name in client} | client))
    if "client_secret" in client:
        print(_SHOWN_ONCE)
