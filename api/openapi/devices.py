"""The operations of phones: the wire of the Guardian SDKs and the Consent API (auth0-wire 2)."""

from api.device_authentication import no_ticket
from api.openapi import answers
from api.openapi.operation import Answer, Body, Header, Operation, Parameter
from consent.device_proof import invalid_proof
from consent.errors import DeviceError, Refusal, device_body

_TAG = "Phones"
_DEVICE = "dev_007Lp0WqPRmDFzOsCFyw0ESJmbB1a2b3c4d5e6"
_CONSENT = "007Lp0WqPRmDFzOsCFyw0ESJmbBpOF4kgsQTTWsbNQ0XfA"
_JWT = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl"
_DATES = {"created_at": "2026-03-01T12:00:00.000Z", "expires_at": "2026-03-01T12:05:00.000Z"}
_PUSH = {"service": "GCM", "token": "c9fIrebase-t0ken:APA91b"}
_PROOF = Parameter(
    "MFA-DPoP",
    "A `dpop+jwt` of the device's key over `htm`, `htu`, `ath`, `iat` and a `jti` used once",
    {"type": "string"},
    "header",
    required=True,
)
_REPEATED = DeviceError(400, "invalid_request", "A header is repeated")
_BODY = DeviceError(400, "invalid_body", "The body must be application/json")
_TOKEN = (
    DeviceError(401, "invalid_bearer_format", "A Bearer token is needed"),
    DeviceError(401, "invalid_token", "Invalid or expired token"),
)
_BAD_PROOF = invalid_proof("")
_UNKNOWN_DEVICE = DeviceError(404, "device_account_not_found", "The device is not enrolled")
_UNKNOWN_TRANSACTION = DeviceError(
    404, "login_transaction_not_found", "There is no such transaction"
)
_NO_MAILBOX = DeviceError(403, "mailbox_not_allowed", "A mailbox cannot answer here")
_EXPIRED = DeviceError(410, "transaction_expired", "The transaction has expired")


def _account(
    method: str, summary: str, answer: Answer, body: Body | None, *errors: Refusal
) -> Operation:
    return Operation(
        method,
        "/appliance-mfa/api/device-accounts/{device_id}",
        _TAG,
        summary,
        (answer,),
        device_body,
        ({"deviceToken": []},),
        body=body,
        errors=(_REPEATED, *_TOKEN, _UNKNOWN_DEVICE, *errors),
    )


_LISTED = {
    "dai": _DEVICE,
    "txtkn": _JWT,
    "txlnkid": _CONSENT,
    "c": "Y2hhbGxlbmdl",
    "d": _DATES["created_at"],
    "sh": "nod.example.com",
    "s": {},
    "l": {},
    "expires_at": _DATES["expires_at"],
}
_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
_MAILBOX = _DEVICE.replace("dev_", "mbx_")

DEVICES = (
    Operation(
        "POST",
        "/appliance-mfa/api/enroll",
        _TAG,
        "Enrol a phone with a ticket",
        (
            Answer(
                201,
                "The enrolment, and the token of the device",
                answers.Enrolled,
                {
                    "id": _DEVICE,
                    "url": "https://nod.example.com/appliance-mfa",
                    "issuer": "Example Bank",
                    "user_id": "auth0|5f7c8ec7c33c6c004bbafe82",
                    "account": "aiko@example.com",
                    "token": f"dt_{_DEVICE}.c2VjcmV0",
                },
            ),
        ),
        device_body,
        ({"enrollmentTicket": []},),
        body=Body(
            answers.Enrolment,
            {
                "identifier": "2C56F0B4",
                "name": "Aiko's phone",
                "push_credentials": _PUSH,
                "public_key": _KEY,
            },
        ),
        errors=(
            _REPEATED,
            _BODY,
            DeviceError(401, "invalid_token", "An enrollment ticket is needed"),
            no_ticket(),
            DeviceError(409, "enrollment_conflict", "The ticket has been used"),
        ),
    ),
    Operation(
        "POST",
        "/appliance-mfa/api/mailbox",
        _TAG,
        "Answer one request from its mail, where the tenant allows it",
        (
            Answer(
                201,
                "What fetches and answers this request, and nothing else",
                answers.MailboxOpened,
                {"id": _MAILBOX, "notification": _LISTED | {"dai": _MAILBOX}},
            ),
        ),
        device_body,
        ({"mailboxToken": []},),
        body=Body(answers.MailboxKey, {"public_key": _KEY}),
        errors=(
            _REPEATED,
            _BODY,
            *_TOKEN,
            _NO_MAILBOX,
            DeviceError(403, "user_blocked", "The user is blocked"),
            _UNKNOWN_TRANSACTION,
            DeviceError(409, "enrollment_conflict", "The link has been opened elsewhere"),
            _EXPIRED,
        ),
    ),
    Operation(
        "POST",
        "/appliance-mfa/api/resolve-transaction",
        _TAG,
        "Answer what a person was asked",
        (Answer(204, "The answer counts"),),
        device_body,
        ({"transactionToken": []},),
        body=Body(answers.SignedAnswer, {"challenge_response": _JWT}),
        errors=(
            _REPEATED,
            _BODY,
            *_TOKEN,
            _NO_MAILBOX,
            DeviceError(403, "user_blocked", "The user is blocked"),
            _UNKNOWN_DEVICE,
            _UNKNOWN_TRANSACTION,
            DeviceError(
                409, "transaction_already_resolved", "The transaction was resolved differently"
            ),
            _EXPIRED,
        ),
        description="The first answer counts; the same again is a success.",
    ),
    _account(
        "PATCH",
        "Change a phone's name, identifier or push address",
        Answer(
            200,
            "The device, and the new address if there is one",
            answers.ChangedDevice,
            {"id": _DEVICE, "identifier": "2C56F0B4", "name": "Aiko's phone"},
        ),
        Body(answers.DeviceChange, {"name": "Aiko's phone", "push_credentials": _PUSH}),
        _BODY,
        DeviceError(409, "enrollment_conflict", "The device was changed meanwhile"),
    ),
    _account("DELETE", "Leave: the device is forgotten", Answer(204, "It is gone"), None),
    Operation(
        "GET",
        "/rich-consents/{consent_id}",
        _TAG,
        "What a person is asked, and by whom",
        (
            Answer(
                200,
                "The question",
                answers.RichConsent,
                {
                    "id": _CONSENT,
                    "requested_details": {
                        "audience": "https://nod.example.com/userinfo",
                        "scope": ["openid"],
                        "binding_message": "Pay 10 to Example Shop",
                        "authorization_details": [],
                    },
                    "client": {"client_id": "xK9pE2sVb4m", "name": "Example Shop"},
                    **_DATES,
                    "number_matching": False,
                    "consent_digest": "nIcL2nQ5b4J0gR8x1hJrU0M7YcQm5s1Wk3kT2vDqz9E",
                },
            ),
        ),
        device_body,
        ({"mfaDpopTransactionToken": []},),
        (_PROOF,),
        errors=(_REPEATED, *_TOKEN, _BAD_PROOF, _NO_MAILBOX, _UNKNOWN_TRANSACTION, _EXPIRED),
    ),
    Operation(
        "GET",
        "/rich-consents",
        _TAG,
        "What a phone is being asked, if it missed the push",
        (
            Answer(
                200,
                "What its pushes would have carried",
                list[answers.PendingConsent],
                [_LISTED],
                headers=(Header("ETag", "For `If-None-Match`", {"type": "string"}),),
            ),
            Answer(304, "It is still the one of `If-None-Match`"),
        ),
        device_body,
        ({"mfaDpopDeviceToken": []},),
        (
            _PROOF,
            Parameter(
                "If-None-Match",
                "The `ETag` of the list that is known",
                {"type": "string"},
                "header",
            ),
        ),
        errors=(_REPEATED, *_TOKEN, _BAD_PROOF),
    ),
    Operation(
        "GET",
        "/rich-consents/events",
        _TAG,
        "The same as it changes, as server-sent events",
        (Answer(200, "Events, until the stream ends", media_type="text/event-stream"),),
        device_body,
        ({"mfaDpopDeviceToken": []},),
        (
            _PROOF,
            Parameter(
                "Last-Event-ID",
                "The `id` of the last event that was heard: the stream goes on after it",
                {"type": "string"},
                "header",
            ),
        ),
        errors=(
            _REPEATED,
            DeviceError(400, "invalid_request", "Last-Event-ID is not the id of an event"),
            *_TOKEN,
            _BAD_PROOF,
            DeviceError(403, "user_blocked", "The user is blocked"),
        ),
        description=(
            "`pending` has an item of the list as its data, `resolved` its `txlnkid` and the "
            "`state` it ended in (`approved`, `denied`, `cancelled`, `unreachable`), `expired` its "
            "`txlnkid`. `gone` is the last event of a device that was removed, or whose person was "
            "blocked. The `id` of an event says all that was told as pending, so that whoever goes "
            "on with it hears the rest, and nothing twice. A comment keeps a quiet stream alive."
        ),
    ),
)
