"""The management operations on people: users, their phones, and what they were asked."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from api.openapi.answers import Date, Details, Text
from api.openapi.management import (
    CHECKPOINTS,
    FIELDS,
    GONE,
    PAGING,
    TEXT,
    Described,
    created,
    one_of,
    page_of,
    parts,
)
from api.openapi.operation import Answer, Body, Parameter, shown
from consent.client import DeliveryMode
from consent.lifecycle import State
from consent.management import consents, enrollments, users
from consent.management.refused_clients import not_refused

_USERS, _PHONES, _CONSENTS = "Users", "Enrolments", "Consents"
_USER_ID = "auth0|5f7c8ec7c33c6c004bbafe82"
_DEVICE = "dev_007Lp0WqPRmDFzOsCFyw0ESJmbB1a2b3c4d5e6"
_TICKET = "007Lp0WqPRmDFzOsCFyw0ESJmbBpOF4k"
_DATE = "2026-03-01T12:00:00.000Z"


class Identity(Struct, kw_only=True):
    connection: str
    user_id: str
    provider: str
    is_social: bool = msgspec.field(name="isSocial")


class Ticket(Struct, kw_only=True):
    """Auth0's two members, and what a QR code must say."""

    ticket_id: str
    ticket_url: str
    enrollment_uri: str


class Enrollment(Struct, kw_only=True):
    """One device; `push_reachable` is ours: a push address is known that has not died."""

    id: str
    status: Literal["confirmed"]
    type: Literal["push-notification"]
    name: str
    identifier: str
    auth_method: Literal["guardian"]
    enrolled_at: Date
    push_reachable: bool


class RefusedClient(Struct, kw_only=True):
    """A client that may not ask a user before `until`."""

    client_id: str
    reason: Literal["not_me", "denied_before"]
    denials: int
    until: Date


class Consent(Struct, kw_only=True):
    """Where a request stands, and what became of each attempt to reach somebody about it."""

    id: str
    state: Annotated[str, Meta(extra_json_schema=one_of(*State, "expired"))]
    client_id: str
    user_id: str
    audience: str
    scope: list[str]
    binding_message: str
    delivery_mode: DeliveryMode
    acr: Text = UNSET
    authorization_details: Details | UnsetType = UNSET
    request_context: dict[str, Any] | UnsetType = UNSET
    created_at: Date
    expires_at: Date
    handed_over_at: Date | UnsetType = UNSET
    fetched_at: Date | UnsetType = UNSET
    decided_at: Date | UnsetType = UNSET
    redeemed_at: Date | UnsetType = UNSET
    delivered_at: Date | UnsetType = UNSET
    decided_by: Text = UNSET
    attempts: list[dict[str, Any]]


USER = Answer(
    200,
    "The user",
    shown(
        users.User,
        "ShownUser",
        without=frozenset({"connection", "creation"}),
        identities=list[Identity],
        blocked=bool | UnsetType,
    ),
    {
        "user_id": _USER_ID,
        "email": "aiko@example.com",
        "name": "Aiko",
        "identities": [
            {
                "connection": "users",
                "user_id": _USER_ID.partition("|")[2],
                "provider": "auth0",
                "isSocial": False,
            }
        ],
        "created_at": _DATE,
        "updated_at": _DATE,
    },
)
ENROLLMENT = Answer(
    200,
    "The enrolment",
    Enrollment,
    {
        "id": _DEVICE,
        "status": "confirmed",
        "type": "push-notification",
        "name": "Aiko's phone",
        "identifier": "2C56F0B4",
        "auth_method": "guardian",
        "enrolled_at": _DATE,
        "push_reachable": True,
    },
)
CONSENT = Answer(
    200,
    "The consent",
    Consent,
    {
        "id": "007Lp0WqPRmDFzOsCFyw0ESJmbBpOF4kgsQTTWsbNQ0XfA",
        "state": "approved",
        "client_id": "xK9pE2sVb4mQ7rT1yU8iO3aS5dF6gH0j",
        "user_id": _USER_ID,
        "audience": "https://nod.example.com/userinfo",
        "scope": ["openid"],
        "binding_message": "Pay 10 to Example Shop",
        "delivery_mode": "poll",
        "created_at": _DATE,
        "expires_at": "2026-03-01T12:05:00.000Z",
        "decided_at": "2026-03-01T12:00:09.120Z",
        "decided_by": _DEVICE,
        "attempts": [
            {"at": _DATE, "event": "push", "device_id": _DEVICE, "outcome": "delivered"},
        ],
    },
)

PEOPLE = {
    ("GET", "/users"): Described(
        _USERS,
        page_of("users", USER),
        parameters=(
            *PAGING,
            *FIELDS,
            Parameter(
                "q",
                "Lucene: `field:value`, phrases, ranges, AND, OR, NOT",
                TEXT,
                example='email:"aiko@example.com"',
            ),
            Parameter("search_engine", "The one there is", one_of("v3")),
            Parameter("connection", "Of this connection", TEXT),
            Parameter("sort", "`field:1` or `field:-1`, of what is found", TEXT),
        ),
    ),
    ("GET", "/users-by-email"): Described(
        _USERS,
        page_of("users", USER)._replace(forms=("array",)),
        parameters=(
            Parameter("email", "In whatever case", TEXT, required=True, example="aiko@example.com"),
            *FIELDS,
        ),
    ),
    ("POST", "/users"): Described(
        _USERS,
        created(USER),
        Body(users.NewUser, {"email": "aiko@example.com", "name": "Aiko", "connection": "users"}),
        (users.unknown_connection(), users.existing_user()),
        description="A `password` is ignored: people sign with their phones.",
    ),
    ("GET", "/users/{user_id}"): Described(
        _USERS, USER, errors=(users.inexistent_user(),), parameters=FIELDS
    ),
    ("PATCH", "/users/{user_id}"): Described(
        _USERS,
        USER,
        Body(users.UserChange, {"blocked": True}),
        (users.inexistent_user(), users.conflicting_changes()),
        description="What is left out stays; members of metadata are merged, null takes one away.",
    ),
    ("DELETE", "/users/{user_id}"): Described(
        _USERS, GONE, description="Forgets the person and their phones; what they were asked ends."
    ),
    ("GET", "/users/{user_id}/enrollments"): Described(
        _PHONES,
        Answer(200, "The phones", list[Enrollment], [ENROLLMENT.example]),
        errors=(users.inexistent_user(),),
    ),
    ("DELETE", "/users/{user_id}/authenticators"): Described(_PHONES, GONE),
    ("GET", "/users/{user_id}/refused-clients"): Described(
        _USERS,
        Answer(
            200,
            "Clients that may not ask this user for now",
            list[RefusedClient],
            [
                {
                    "client_id": "bank",
                    "reason": "not_me",
                    "denials": 1,
                    "until": "2026-03-02T12:00:00.000Z",
                }
            ],
        ),
        errors=(users.inexistent_user(),),
        description="`not_me`: the user had not expected its request; `denied_before`: they have "
        "denied it more than once since they approved of it last.",
    ),
    ("DELETE", "/users/{user_id}/refused-clients/{client_id}"): Described(
        _USERS, GONE, errors=(not_refused(),), description="It may ask again at once."
    ),
    ("POST", "/guardian/enrollments/ticket"): Described(
        _PHONES,
        Answer(
            200,
            "A ticket, good for one phone of this user",
            Ticket,
            {
                "ticket_id": _TICKET,
                "ticket_url": f"https://nod.example.com/mfa/enrollment?ticket={_TICKET}",
                "enrollment_uri": "otpauth://totp/Example%20Bank:aiko%40example.com"
                f"?enrollment_tx_id={_TICKET}&base_url=https%3A%2F%2Fnod.example.com",
            },
        ),
        Body(enrollments.NewTicket, {"user_id": _USER_ID}),
        (users.inexistent_user(),),
    ),
    ("GET", "/guardian/enrollments/{id}"): Described(
        _PHONES, ENROLLMENT, errors=(enrollments.enrollment_not_found(),)
    ),
    ("DELETE", "/guardian/enrollments/{id}"): Described(
        _PHONES, GONE, errors=(enrollments.enrollment_not_found(),)
    ),
    ("GET", "/consents"): Described(
        _CONSENTS,
        parts("consents", CONSENT),
        parameters=(
            *CHECKPOINTS,
            Parameter("client_id", "Asked by this client", TEXT),
            Parameter("user_id", "Asked of this user", TEXT, example=_USER_ID),
            Parameter("state", "In this state", one_of(*State, "expired"), example="pending"),
        ),
        description="The newest first. A part may hold fewer than `take` and still have a `next`.",
    ),
    ("GET", "/consents/{consent_id}"): Described(
        _CONSENTS, CONSENT, errors=(consents.inexistent_consent(),)
    ),
    ("POST", "/consents/{consent_id}/cancel"): Described(
        _CONSENTS,
        CONSENT.showing({"state": "cancelled"}),
        errors=(consents.inexistent_consent(), consents.consent_over()),
        description="Ends what nobody has answered; its client hears of it as of a denial.",
    ),
}
