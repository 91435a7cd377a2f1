"""Resource servers: the APIs that tokens are for."""

from typing import Annotated

import typer

from scripts.administration.arguments import Yes, confirm
from scripts.administration.bodies import Body, Members, body_of
from scripts.administration.listing import TAKE_DEFAULT, After, Every, Listed, Page, Take, show_list
from scripts.administration.operator import at, called
from scripts.administration.output import Json, Record, as_json, details

app = typer.Typer(
    help="APIs (resource servers) that tokens are for.",
    no_args_is_help=True,
)


def _row(api: Record) -> Record:
    return {
        "id": api["id"],
        "identifier": api["identifier"],
        "signing_alg": api["signing_alg"],
        "scopes": len(api["scopes"]),
        "name": api["name"],
    }


@app.command("list")
def list_apis(
    *, take: Take = TAKE_DEFAULT, after: After = "", every: Every = False, json: Json = False
) -> None:
    """Every API; that of this server is one of them."""
    listed = Listed("/resource-servers", "resource_servers", _row, text="name")
    show_list(listed, Page(take, after, every), json=json)


@app.command()
def create(
    identifier: Annotated[
        str,
        typer.Argument(
            metavar="IDENTIFIER", help="its audience, usually its URL; it can never change"
        ),
    ],
    members: Members = None,
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="a scope it defines; may be repeated", show_default=False),
    ] = None,
    file: Body = "",
    json: Json = False,
) -> None:
    """
    Make an API known.

    \b
      scripts/admin apis create https://reports.example/ --scope read:reports \\
        name="Reports" token_lifetime=3600 allow_offline_access=true

    Applications may ask people for its scopes at once; to use them by themselves they need a
    grant (`grants create`).
    """
    scopes = [{"value": value} for value in scope or ()]
    api = called(
        "POST", "/resource-servers", body_of(members, file, identifier=identifier, scopes=scopes)
    )
    print(as_json(api) if json else details(api))


@app.command()
def delete(
    name: Annotated[str, typer.Argument(metavar="API", help="its id or its identifier")],
    *,
    yes: Yes = False,
) -> None:
    """Forget an API. The grants for it go with it; the API of this server stays."""
    api = called("GET", at("resource-servers", name))
    confirm(f"Remove {api['identifier']}, with the grants for it?", yes=yes)
    called("DELETE", at("resource-servers", name))
    print(f"{api['identifier']} is removed")
