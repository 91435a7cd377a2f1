"""People: who is asked."""

from typing import Annotated

import typer

from scripts.administration.arguments import Yes, confirm
from scripts.administration.bodies import Body, Members, body_of
from scripts.administration.installation import AdministrationError
from scripts.administration.listing import TAKE_DEFAULT, After, Every, Listed, Page, Take, show_list
from scripts.administration.operator import Operator, asked, at, called
from scripts.administration.output import Json, Record, as_json, details, table

app = typer.Typer(
    help="People who are asked. They answer with their phones (`tickets`, `enrolments`).",
    no_args_is_help=True,
)

User = Annotated[
    str, typer.Argument(metavar="USER", help="the user id, or the e-mail address of one user")
]


def _row(user: Record) -> Record:
    return {
        "user_id": user["user_id"],
        "email": user.get("email"),
        "phone_number": user.get("phone_number"),
        "blocked": user.get("blocked", False),
        "name": user.get("name"),
    }


@app.command("list")
def list_users(
    *, take: Take = TAKE_DEFAULT, after: After = "", every: Every = False, json: Json = False
) -> None:
    """Every user. For one of many there is `find`."""
    _list(Page(take, after, every), json=json)


@app.command()
def find(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="an e-mail address, a phone number, or a query")
    ],
    *,
    json: Json = False,
) -> None:
    """
    The users a query is true of, at most the first thousand.

    \b
      scripts/admin users find ann@example.com
      scripts/admin users find +4930123456
      scripts/admin users find 'name:"Ann Smith"'
      scripts/admin users find 'email:ann* AND blocked:true'
    """
    every = Page(TAKE_DEFAULT, after="", every=True)
    _list(every, json=json, q=query_for(query), search_engine="v3")


@app.command()
def show(user: User, *, json: Json = False) -> None:
    """One user, as the management API shows them."""
    shown = asked(lambda operator: named(operator, user))
    print(as_json(shown) if json else details(shown))


@app.command()
def create(members: Members = None, *, file: Body = "", json: Json = False) -> None:
    """
    Make a user known. One of email, phone_number, username and user_id is needed.

    \b
      scripts/admin users create email=ann@example.com name="Ann Smith"
      scripts/admin users create user_id=u-4711 phone_number=+4930123456 \\
        app_metadata.branch=Berlin

    They can be asked when they have a phone: `tickets create` is next.
    """
    user = called("POST", "/users", body_of(members, file))
    print(as_json(user) if json else details(user))


@app.command()
def change(user: User, members: Members = None, *, file: Body = "", json: Json = False) -> None:
    """
    Change members of a user. Those that are not named stay as they are.

    \b
      scripts/admin users change ann@example.com phone_number=+4930123456
      scripts/admin users change ann@example.com user_code=null
    """
    changed = _changed(user, body_of(members, file))
    print(as_json(changed) if json else details(changed))


@app.command()
def block(user: User) -> None:
    """Nobody can ask them until `unblock`. Their phones stay enrolled."""
    print(f"{_changed(user, {'blocked': True})['user_id']} is blocked")


@app.command()
def unblock(user: User) -> None:
    """They can be asked again."""
    print(f"{_changed(user, {'blocked': False})['user_id']} is not blocked")


@app.command()
def refused(user: User, *, json: Json = False) -> None:
    """Clients that may not ask this user for now, because they denied or did not expect them."""
    found = called("GET", at("users", user_id_of(user), "refused-clients"))
    print(as_json(found) if json else table(found) if found else "nobody")


@app.command()
def forgive(
    user: User, client_id: Annotated[str, typer.Argument(help="a client the user refuses")]
) -> None:
    """Let a refused client ask this user again at once."""
    called("DELETE", at("users", user_id_of(user), "refused-clients", client_id))
    print(f"{client_id} may ask again")


@app.command()
def delete(user: User, *, yes: Yes = False) -> None:
    """Forget a user. Their phones are removed, and what they were asked ends."""
    user_id = user_id_of(user)
    confirm(f"Forget {user_id}, with their phones and what they were asked?", yes=yes)
    called("DELETE", at("users", user_id))
    print(f"{user_id} is removed")


def user_id_of(user: str) -> str:
    """Raises AdministrationError, when there is no such user or more than one."""
    return str(asked(lambda operator: named(operator, user))["user_id"])


async def named(operator: Operator, user: str) -> Record:
    """The user of an id or an e-mail address. Raises AdministrationError."""
    if "@" not in user or "|" in user:
        shown: Record = await operator.call("GET", at("users", user))
        return shown
    found = await operator.call("GET", "/users-by-email", parameters={"email": user})
    if not found:
        raise AdministrationError("there is no user with this e-mail address")
    if len(found) > 1:
        raise AdministrationError(
            f"{len(found)} users have this e-mail address: name one by the id (`users find`)"
        )
    return dict(found[0])


def _list(page: Page, *, json: bool, **filters: str) -> None:
    show_list(Listed("/users", "users", _row, text="name"), page, json=json, **filters)


def _changed(user: str, body: Record) -> Record:
    async def change(operator: Operator) -> Record:
        user_id = (await named(operator, user))["user_id"]
        changed: Record = await operator.call("PATCH", at("users", user_id), body)
        return changed

    return asked(change)


def query_for(text: str) -> str:
    """A query as it is; what cannot be one is an address or a number."""
    if ":" in text or not (text.startswith("+") or "@" in text):
        return text
    return f'{"phone_number" if text.startswith("+") else "email"}:"{text}"'
