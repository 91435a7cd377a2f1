"""The browser authenticator's own operations, beside those it shares with phones."""

from typing import Literal

import msgspec

from api.authenticator.served import NotFound
from api.device_authentication import no_ticket
from api.openapi.operation import HTML, Answer, Operation, Parameter
from consent.errors import DeviceError, device_body, management_body, oauth_body
from consent.management.listing import invalid_query

_TAG = "Browser authenticator"
_ETAG = Parameter("If-None-Match", "The ETag of what is there", {"type": "string"}, "header")
_SAME = Answer(304, "It is still the same")


class Installation(msgspec.Struct, kw_only=True):
    """What the page must know of this installation."""

    issuer: str
    name: str
    vapid_public_key: str


class TicketStatus(msgspec.Struct, kw_only=True):
    status: Literal["open", "used", "gone"]


def _page(method: str) -> Operation:
    answer = Answer(200, "A page for people", media_type=HTML)
    return Operation(
        method,
        "/authenticator",
        _TAG,
        "The page that makes a browser an authenticator",
        (answer if method == "GET" else Answer(200, "It is there"), _SAME),
        oauth_body,
        parameters=(_ETAG,),
    )


def _file(method: str) -> Operation:
    answer = Answer(200, "A script, a style, an icon", media_type="*/*")
    return Operation(
        method,
        "/authenticator/{file}",
        _TAG,
        "What that page is made of",
        (answer if method == "GET" else Answer(200, "It is there"), _SAME),
        oauth_body,
        parameters=(_ETAG,),
        errors=(NotFound("There is nothing at this path"),),
    )


AUTHENTICATOR = (
    _page("GET"),
    _page("HEAD"),
    Operation(
        "GET",
        "/authenticator/config.json",
        _TAG,
        "What that page must know of this installation",
        (
            Answer(
                200,
                "Its issuer, its name, and the key its web pushes are signed with",
                Installation,
                {
                    "issuer": "https://nod.example.com/",
                    "name": "Example Bank",
                    "vapid_public_key": "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg"
                    "Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
                },
            ),
        ),
        oauth_body,
    ),
    _file("GET"),
    _file("HEAD"),
    Operation(
        "GET",
        "/mfa/enrollment",
        _TAG,
        "Where a ticket's URL leads: the code and the link of a new authenticator",
        (
            Answer(200, "A page for people", media_type=HTML),
            Answer(404, "A page for people: the link is not valid (any more)", media_type=HTML),
        ),
        management_body,
        parameters=(
            Parameter("ticket", "The enrolment ticket", {"type": "string"}),
            Parameter("Accept-Language", "English or Japanese", {"type": "string"}, "header"),
        ),
        errors=(invalid_query("malformed"),),
    ),
    Operation(
        "GET",
        "/mfa/enrollment/status",
        _TAG,
        "Whether a ticket has been used",
        (Answer(200, "What became of it", TicketStatus, {"status": "open"}),),
        device_body,
        ({"enrollmentTicket": []},),
        errors=(
            DeviceError(400, "invalid_request", "A header is repeated"),
            DeviceError(401, "invalid_token", "An enrollment ticket is needed"),
            no_ticket(),
        ),
    ),
)
