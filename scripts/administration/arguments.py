"""What several commands are given."""

from typing import Annotated, Any

import typer

Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]

# An id may begin with a dash.
ANY_ID: dict[str, Any] = {"ignore_unknown_options": True}


def confirm(question: str, *, yes: bool) -> None:
    """Who types nothing changes nothing. Raises typer.Abort."""
    if not yes:
        typer.confirm(question, abort=True, err=True)
