"""`scripts/admin`: the things an operator can see to, each with its own commands."""

import sys

import typer

from consent import logs
from scripts.administration import (
    apis,
    ask,
    audit,
    clients,
    connections,
    consents,
    doctor,
    enrolments,
    grants,
    importing,
    initial_access_tokens,
    keys,
    receipt,
    tenant_settings,
    tickets,
    users,
)
from scripts.administration.installation import AdministrationError, reported

app = typer.Typer(
    help="Administration of the installation that the environment's settings are for, or of the "
    "scripts/run that is up. Every command says what it does: scripts/admin clients create --help",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # examples keep their lines
)


@app.callback()
def settings_come_from_the_environment() -> None:
    logs.configure("warning", "admin")


app.add_typer(clients.app, name="clients")
app.add_typer(grants.app, name="grants")
app.add_typer(apis.app, name="apis")
app.add_typer(users.app, name="users")
app.add_typer(tickets.app, name="tickets")
app.add_typer(enrolments.app, name="enrolments")
app.add_typer(consents.app, name="consents")
app.add_typer(receipt.app, name="receipt")
app.add_typer(tenant_settings.app, name="settings")
app.add_typer(connections.app, name="connections")
app.add_typer(initial_access_tokens.app, name="initial-access-tokens")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.command()(ask.ask)
app.command("import")(importing.import_export)
app.command()(doctor.doctor)


def check_is_text(arguments: list[str]) -> None:
    """What else could go nowhere, least of all into JSON. Raises AdministrationError."""
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        raise AdministrationError("an argument is not UTF-8") from None


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # a name it cannot show
    with reported():
        check_is_text(sys.argv)
        app(prog_name="scripts/admin")
