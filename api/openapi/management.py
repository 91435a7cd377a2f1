"""
How each operation of the management API is described; its scope and its summary are those of
`api.management.routes`, and what every one of them can answer is added here too.
"""

from typing import NamedTuple

from api.openapi.operation import Answer, Body, Header, Operation, Parameter, Schema
from consent.errors import ManagementError, Refusal, management_body
from consent.management.listing import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, invalid_query
from consent.management.payload import invalid_body

PREFIX = "/api/v2"


class Described(NamedTuple):
    """`errors` are those of the operation itself."""

    tag: str
    answer: Answer
    body: Body | None = None
    errors: tuple[Refusal, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    description: str = ""


GONE = Answer(204, "It is not there (any more)")
BOOLEAN: Schema = {"type": "boolean"}
TEXT: Schema = {"type": "string"}
_COUNT: Schema = {
    "type": "integer",
    "minimum": 1,
    "maximum": PAGE_ITEMS_MAX,
    "default": PAGE_ITEMS_DEFAULT,
}
CHECKPOINTS = (
    Parameter("from", "A checkpoint: the `next` of the part before; empty to begin", TEXT),
    Parameter("take", "Items of a part, from a checkpoint", _COUNT),
)
PAGING = (
    Parameter("page", "The number of a page, from 0", {"type": "integer", "minimum": 0}),
    Parameter("per_page", "Items of a page", _COUNT),
    Parameter("include_totals", "An object with the totals, not a bare array", BOOLEAN),
    *CHECKPOINTS,
)
FIELDS = (
    Parameter("fields", "Members to show, separated by commas", TEXT, example="name"),
    Parameter("include_fields", "false: all members but those", BOOLEAN),
)
_LIMITS = (
    Header("x-ratelimit-limit", "Calls a minute", {"type": "integer"}),
    Header("x-ratelimit-remaining", "Calls left", {"type": "integer"}),
    Header(
        "x-ratelimit-reset", "When all of them are left again, epoch seconds", {"type": "integer"}
    ),
)
_ALWAYS = (
    ManagementError(400, "invalid_request", "A header is repeated"),
    ManagementError(401, "invalid_token", "Invalid token"),
    ManagementError(401, "invalid_dpop_proof", "The DPoP proof has been used"),
    ManagementError(401, "use_dpop_nonce", "A DPoP nonce is needed"),
    ManagementError(403, "insufficient_scope", "Insufficient scope, expected any of: (the scope)"),
    ManagementError(429, "too_many_requests", "Global limit has been reached"),
)
_BAD_BODY = invalid_body("'Missing required property' on property name.")
_BAD_QUERY = invalid_query("per_page must be a whole number between 1 and 100")


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def page_of(name: str, item: Answer) -> Answer:
    """A list of what an answer shows, in the three forms of a page."""
    return Answer(200, "A page of them", item.kind, item.example, page_of=name)


def parts(name: str, item: Answer) -> Answer:
    """A list that is walked from checkpoints only."""
    return page_of(name, item)._replace(forms=("checkpoint",))


def operation(method: str, path: str, scope: str, summary: str, it: Described) -> Operation:
    """A row of the table of routes, as it is described."""
    errors: list[Refusal] = [*_ALWAYS]
    if it.body is not None:
        errors.append(_BAD_BODY)
    if it.parameters:
        errors.append(_BAD_QUERY)
    return Operation(
        method,
        PREFIX + path,
        it.tag,
        summary,
        (it.answer._replace(headers=(*_LIMITS, *it.answer.headers)),),
        management_body,
        ({"managementToken": [scope]}, {"dpopManagementToken": [scope]}),
        it.parameters,
        it.body,
        (*errors, *it.errors),
        it.description,
    )


def created(answer: Answer) -> Answer:
    return answer._replace(status=201, description="It is made")
