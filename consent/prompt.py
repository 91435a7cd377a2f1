"""What a person is shown on their phone (auth0-wire 1.4, 2.7)."""

from consent.authentication_request import AuthenticationRequest
from consent.shown import DIGEST, consent_digest
from consent.transaction import iso_date


def shown(
    consent_id: str, request: AuthenticationRequest, created_at_ms: int, expires_at_ms: int
) -> dict[str, object]:
    """All that the person decides by. Dates are strings, for iOS decodes nothing else."""
    return {
        "id": consent_id,
        "requested_details": {
            "audience": request.audience,
            "scope": request.scope,
            "binding_message": request.binding_message,
            "authorization_details": request.authorization_details,
        },
        "client": {"client_id": request.client_id, "name": request.client_name},
        "created_at": iso_date(created_at_ms),
        "expires_at": iso_date(expires_at_ms),
        "number_matching": bool(request.matching_number),
    }


def rich_consent(
    consent_id: str, request: AuthenticationRequest, created_at_ms: int, expires_at_ms: int
) -> dict[str, object]:
    """The Consent API's answer: what is shown, and the digest of it that a device signs."""
    asked = shown(consent_id, request, created_at_ms, expires_at_ms)
    return asked | {DIGEST: consent_digest(asked)}
