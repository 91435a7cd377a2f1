"""Client grants: what an application may do at an API by itself."""

from typing import Annotated

import typer

from scripts.administration.arguments import ANY_ID, Yes, confirm
from scripts.administration.clients import ClientId
from scripts.administration.listing import TAKE_DEFAULT, After, Every, Listed, Page, Take, show_list
from scripts.administration.operator import at, called
from scripts.administration.output import Json, Record, as_json, details

app = typer.Typer(
    help="What applications may do at APIs by themselves.",
    no_args_is_help=True,
)

GrantId = Annotated[str, typer.Argument(metavar="GRANT_ID", help="as `grants list` shows it")]


def _row(grant: Record) -> Record:
    return {
        "id": grant["id"],
        "client_id": grant.get("client_id") or grant.get("default_for"),
        "audience": grant["audience"],
        "scope": grant["scope"],
    }


@app.command("list")
def list_grants(
    *,
    client_id: Annotated[str, typer.Option(help="those of one application")] = "",
    audience: Annotated[str, typer.Option(help="those for one API")] = "",
    take: Take = TAKE_DEFAULT,
    after: After = "",
    every: Every = False,
    json: Json = False,
) -> None:
    """
    Every grant, or those of an application or for an API.

    \b
      scripts/admin grants list --client-id CLIENT_ID
    """
    listed = Listed("/client-grants", "client_grants", _row, text="scope")
    show_list(listed, Page(take, after, every), json=json, client_id=client_id, audience=audience)


@app.command(context_settings=ANY_ID)
def create(
    client_id: ClientId,
    audience: Annotated[
        str, typer.Argument(metavar="AUDIENCE", help="the identifier of an API, see `apis list`")
    ],
    scope: Annotated[
        list[str] | None,
        typer.Argument(metavar="SCOPE", help="scopes of that API", show_default=False),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """
    Let an application ask for tokens of an API with these scopes.

    \b
      scripts/admin grants create CLIENT_ID https://reports.example/ read:reports
    A developer portal that registers applications here:
      scripts/admin grants create CLIENT_ID https://nod.example.com/api/v2/ \\
        create:clients read:clients update:clients delete:clients update:client_keys \\
        create:client_grants read:client_grants update:client_grants delete:client_grants

    There is one grant for an application and an API; it counts from the next token on.
    """
    body = {"client_id": client_id, "audience": audience, "scope": scope or []}
    grant = called("POST", "/client-grants", body)
    print(as_json(grant) if json else details(grant))


@app.command()
def delete(grant_id: GrantId, *, yes: Yes = False) -> None:
    """Take a grant away. Tokens that were issued before live out their time."""
    grant = called("GET", at("client-grants", grant_id))
    holder = _row(grant)["client_id"]
    confirm(f"Take from {holder} what it may do at {grant['audience']}?", yes=yes)
    called("DELETE", at("client-grants", grant_id))
    print(f"{grant_id} is removed")
