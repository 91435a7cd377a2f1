"""POST /bc-authorize: the backchannel authentication endpoint (CIBA 7, auth0-wire 1.1, 1.2)."""

import msgspec

from api.client_authentication import authenticate
from api.edge import Call, Reply, json_reply
from api.services import Services
from consent import access, forms
from consent.authentication_request import authentication_request
from consent.errors import (
    AccessForbidden,
    InvalidBindingMessage,
    InvalidRequest,
    OAuthError,
    TooManyRequests,
    UnknownUserId,
)
from consent.identifiers import consent_id_of, new_auth_req_id, person_id_of
from consent.settings import Settings
from consent.store.consents import Refused


class BackchannelAuthentication:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def start(self, call: Call) -> Reply:
        """Accept a request: counted, stored and owed in one step, then answered."""
        services, settings = self._services, self._services.settings
        parameters = _parameters(call)
        client = await authenticate(services, call, parameters)
        audience = access.requested_audience(parameters.get("audience"))
        resource_server = await services.resource_server(audience)
        request = authentication_request(parameters, client, resource_server, settings)
        person_id = person_id_of(request.user_id, settings.partitions)
        auth_req_id = new_auth_req_id(person_id)
        consent_id = consent_id_of(auth_req_id)
        refused = await services.consents.accept(
            consent_id=consent_id,
            client_id=client.client_id,
            person_id=person_id,
            request=msgspec.json.encode(request),
            life_seconds=request.expires_in,
        )
        if refused is not None:
            raise _refusal(refused, settings, services.clock())
        services.doorbell.ring(consent_id)
        call.facts["consent"] = consent_id
        return json_reply(
            {
                "auth_req_id": auth_req_id,
                "expires_in": request.expires_in,
                "interval": settings.poll_interval_seconds,
            }
        )


def _parameters(call: Call) -> dict[str, str]:
    try:
        return call.form()
    except InvalidRequest as error:
        cause = error.__cause__
        if (
            isinstance(cause, forms.MalformedForm)
            and cause.parameter == "binding_message"
            and cause.reason in {"has a control character", "too long"}
        ):
            raise InvalidBindingMessage(f"binding_message {cause.reason}") from None
        raise


def _refusal(refused: Refused, settings: Settings, now: float) -> OAuthError:
    match refused.why:
        case "unknown_user":
            return UnknownUserId("User ID is malformed or unknown")
        case "blocked":
            return AccessForbidden("The user is blocked")
        case "no_device":
            return InvalidRequest(
                "No eligible notification channels were found. "
                "guardian-push: User does not have push notifications set up"
            )
        case "too_many_recent":
            return _too_many(
                "Too many requests to this user",
                settings.person_requests_per_minute_max,
                refused.wait_ms,
                now,
            )
        case "too_many_open":
            return _too_many(
                "Too many unanswered requests to this user",
                settings.person_open_requests_max,
                refused.wait_ms,
                now,
            )
        case "tenant_full":
            return _too_many(
                "Too many unanswered requests",
                settings.tenant_open_requests_max,
                refused.wait_ms,
                now,
            )
    raise AssertionError(f"accept.lua replied {refused.why}")


def _too_many(description: str, limit: int, wait_ms: int, now: float) -> TooManyRequests:
    wait_seconds = -(-wait_ms // 1_000)
    return TooManyRequests(
        description,
        headers=(
            ("Retry-After", str(wait_seconds)),
            ("x-ratelimit-limit", str(limit)),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", str(int(now) + wait_seconds)),
        ),
    )
