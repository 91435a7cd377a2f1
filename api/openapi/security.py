"""What opens an operation, by the names that the table of operations uses."""

from consent.access import MANAGEMENT_SCOPES
from consent.settings import Settings


def security_schemes(settings: Settings) -> dict[str, object]:
    def http(scheme: str, description: str) -> dict[str, object]:
        return {"type": "http", "scheme": scheme, "description": description}

    return {
        "clientSecretBasic": http("basic", "A client's id and secret; or in the body"),
        "clientCertificate": {"type": "mutualTLS", "description": "RFC 8705, through a proxy"},
        "accessToken": http("bearer", "An access token of a person's approval"),
        "dpopAccessToken": http("DPoP", "The same, bound to a key, with a proof (RFC 9449)"),
        "managementToken": {
            "type": "oauth2",
            "description": "A client's own token for the audience of the management API",
            "flows": {
                "clientCredentials": {
                    "tokenUrl": settings.url("oauth/token"),
                    "scopes": dict.fromkeys(MANAGEMENT_SCOPES, ""),
                }
            },
        },
        "dpopManagementToken": http("DPoP", "The same, bound to a key, with a proof (RFC 9449)"),
        "initialAccessToken": http("bearer", "Where registering takes a token of the operator"),
        "registrationAccessToken": http("bearer", "The one of the registration"),
        "enrollmentTicket": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": '`Ticket id="..."`',
        },
        "mailboxToken": http("Mailbox", "The token in the link of a mail"),
        "deviceToken": http("bearer", "The token of an enrolment, or one the device signed"),
        "transactionToken": http("bearer", "`txtkn` of a push"),
        "mfaDpopTransactionToken": http("MFA-DPoP", "`txtkn` of a push, with a proof"),
        "mfaDpopDeviceToken": http("MFA-DPoP", "The token of an enrolment, with a proof"),
    }
