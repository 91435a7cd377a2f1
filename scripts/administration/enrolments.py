"""Enrolled phones: what a person answers with."""

from typing import Annotated

import typer

from scripts.administration.arguments import ANY_ID, Yes, confirm
from scripts.administration.operator import Operator, asked, at, called
from scripts.administration.output import Json, Record, as_json, table
from scripts.administration.users import User, named

app = typer.Typer(
    help="Phones that people have added. A new one is added with a ticket (`tickets create`).",
    no_args_is_help=True,
)

EnrolmentId = Annotated[
    str, typer.Argument(metavar="ENROLMENT_ID", help="as `enrolments list` shows it")
]


def _row(enrolment: Record) -> Record:
    return {
        "id": enrolment["id"],
        "enrolled_at": enrolment["enrolled_at"],
        "push_reachable": enrolment["push_reachable"],
        "name": enrolment["name"],
    }


@app.command("list")
def list_enrolments(user: User, *, json: Json = False) -> None:
    """
    The phones of one user, the oldest first.

    One that is not `push reachable` rings no more; it still answers when its owner opens the app.
    """

    async def enrolments(operator: Operator) -> list[Record]:
        user_id = (await named(operator, user))["user_id"]
        return list(await operator.call("GET", at("users", user_id, "enrollments")))

    found = asked(enrolments)
    if json:
        print(as_json(found))
    else:
        print(table([_row(it) for it in found]) or "this user has no phone yet")


@app.command(context_settings=ANY_ID)
def delete(enrolment_id: EnrolmentId, *, yes: Yes = False) -> None:
    """Remove a phone at once, as when it was lost. It answers nothing any more."""
    path = at("guardian", "enrollments", enrolment_id)
    phone = called("GET", path)
    confirm(f"Remove the phone {phone['name']!a} of {phone['enrolled_at']}?", yes=yes)
    called("DELETE", path)
    print(f"{enrolment_id} is removed")
