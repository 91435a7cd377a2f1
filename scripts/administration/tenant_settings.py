"""What can be set while the server runs."""

import typer

from scripts.administration.bodies import Body, Members, body_of
from scripts.administration.operator import called
from scripts.administration.output import Json, as_json, details

app = typer.Typer(
    help="Settings of the running server. Those that it starts with are in its environment.",
    no_args_is_help=True,
)


@app.command()
def show(*, json: Json = False) -> None:
    """Every one of these settings."""
    settings = called("GET", "/tenants/settings")
    print(as_json(settings) if json else details(settings))


@app.command()
def change(members: Members = None, *, file: Body = "", json: Json = False) -> None:
    """
    Change settings. Those that are not named stay as they are.

    \b
    Let applications register themselves, those with an initial access token alone:
      scripts/admin settings change flags.enable_dynamic_client_registration=true \\
        dynamic_client_registration_access=token
    Let those also ask people (CIBA), not only log them in:
      scripts/admin settings change dynamic_client_registration_security_mode=permissive

    Every process takes it up at once.
    """
    settings = called("PATCH", "/tenants/settings", body_of(members, file))
    print(as_json(settings) if json else details(settings))
