"""`scripts/admin`: the things an operator can see to, each with its own commands."""

import typer

from consent import logs
from scripts.administration import keys
from scripts.administration.installation import reported

app = typer.Typer(
    help="Administration of the installation that the environment's settings are for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def settings_come_from_the_environment() -> None:
    logs.configure("warning", "admin")


app.add_typer(keys.app, name="keys")

if __name__ == "__main__":
    with reported():
        app(prog_name="scripts/admin")
