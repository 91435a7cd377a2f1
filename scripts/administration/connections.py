"""Connections: where users come from."""

from typing import Annotated

import typer

from scripts.administration.bodies import Body, Members, body_of
from scripts.administration.listing import TAKE_DEFAULT, After, Every, Listed, Page, Take, show_list
from scripts.administration.operator import at, called
from scripts.administration.output import Json, Record, as_json, details

app = typer.Typer(
    help="Where users come from. Third parties may ask those of domain connections.",
    no_args_is_help=True,
)

ConnectionId = Annotated[
    str, typer.Argument(metavar="CONNECTION_ID", help="as `connections list` shows it")
]


def _row(connection: Record) -> Record:
    return {
        "id": connection["id"],
        "strategy": connection.get("strategy"),
        "is_domain_connection": connection.get("is_domain_connection", False),
        "name": connection["name"],
    }


@app.command("list")
def list_connections(
    *, take: Take = TAKE_DEFAULT, after: After = "", every: Every = False, json: Json = False
) -> None:
    """Every connection. A domain connection is one that third parties' applications may use."""
    listed = Listed("/connections", "connections", _row, text="name")
    show_list(listed, Page(take, after, every), json=json)


@app.command()
def change(
    connection_id: ConnectionId, members: Members = None, *, file: Body = "", json: Json = False
) -> None:
    """
    Change members of a connection. Those that are not named stay as they are.

    \b
    Let applications that registered themselves ask its users:
      scripts/admin connections change CONNECTION_ID is_domain_connection=true
    """
    connection = called("PATCH", at("connections", connection_id), body_of(members, file))
    print(as_json(connection) if json else details(connection))
