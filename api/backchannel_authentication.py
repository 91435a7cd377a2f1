"""POST /bc-authorize: the backchannel authentication endpoint (CIBA 7, auth0-wire 1.1, 1.2)."""

import msgspec

from api.client_authentication import authenticate
from api.edge import Call, Reply, json_reply
from api.refused_start import refusal
from api.sender_constraint import confirmation
from api.services import Services
from consent import forms, hint_tokens, number_matching, request_object, third_party
from consent.authentication_request import (
    AuthenticationRequest,
    authentication_request,
    check_client_may_start_ciba,
    requested_audience,
    requested_expiry,
)
from consent.callback import Callback, sealed
from consent.channels import PUSH, Means, channels
from consent.client import CIBA_GRANT, Client
from consent.errors import (
    CibaNotAllowed,
    InvalidBindingMessage,
    InvalidRequest,
    UnknownUserId,
)
from consent.identifiers import consent_id_of, new_auth_req_id, person_id_of
from consent.jose import PublicKey, UnusableKey
from consent.login_hint import LoginHint, login_hint
from consent.outbound.client import OutboundFailed
from consent.settings import Settings
from consent.store import keys
from consent.store.consents import PLAIN, Terms
from consent.tenant import Connection, Tenant

PATH = "bc-authorize"


class BackchannelAuthentication:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def start(self, call: Call) -> Reply:
        """Accept a request: counted, stored and owed in one step, then answered (A048)."""
        services, settings = self._services, self._services.settings
        form = _parameters(call)
        client = await authenticate(services, call, form)
        check_client_may_start_ciba(client)
        if "request" in form or "request_uri" in form:
            parameters = await self._signed(form, client)
        else:
            request_object.check_may_be_unsigned(client)
            parameters = form
        # Only what is pushed is bound to what is shown here (A175, D058).
        pushed = client.backchannel_token_delivery_mode == "push"  # noqa: S105 - a mode
        bound_to = await confirmation(services, call, client, (PATH,)) if pushed else ""
        audience = requested_audience(parameters)
        resource_server = await services.resource_server(audience) if audience else None
        tenant = await services.tenant()
        matching_number = (
            number_matching.new_matching_number()
            if number_matching.needs_number(client, tenant, parameters.get("acr_values", ""))
            else ""
        )
        asked = authentication_request(
            parameters, client, resource_server, settings, matching_number=matching_number
        )
        # Who it is for is looked up last; that they are there is for the accepting step to say.
        if "login_hint" in parameters:
            hint = login_hint(parameters["login_hint"], issuer=settings.issuer)
        else:
            hint = await self._hint(parameters, client)
        connections = await self._connections(client, asked)
        user_id = hint.value if hint.kind == "user_id" else await self._found(hint)
        request = msgspec.structs.replace(asked, user_id=user_id)
        person_id = person_id_of(user_id, settings.partitions)
        auth_req_id = new_auth_req_id(person_id)
        consent_id = consent_id_of(auth_req_id)
        usable = await self._channels(parameters, client, tenant)
        refused = await services.consents.accept(
            consent_id=consent_id,
            client_id=client.client_id,
            person_id=person_id,
            request=msgspec.json.encode(request),
            life_seconds=request.expires_in,
            terms=self._terms(
                parameters,
                client,
                request,
                auth_req_id,
                bound_to=bound_to,
                connections=connections,
                usable=usable,
            ),
        )
        if refused is not None:
            raise refusal(refused, client, settings, services.clock())
        services.doorbell.ring(consent_id)
        call.facts["consent"] = consent_id
        body: dict[str, object] = {"auth_req_id": auth_req_id, "expires_in": request.expires_in}
        if not pushed:
            body["interval"] = settings.poll_interval_seconds
        if matching_number:
            body["matching_number"] = matching_number
        return json_reply(body)

    async def _channels(
        self, parameters: dict[str, str], client: Client, tenant: Tenant
    ) -> tuple[Means, ...]:
        """By what the request may travel. Raises InvalidRequest when by nothing."""
        push = await self._services.push_enabled()
        if push and client.async_approval_notification_channels is None:  # as most are
            return PUSH
        mail: Means = "mailbox" if tenant.mailbox_approval else "email"
        return channels(
            client,
            requested_expiry(parameters, client),
            push=push,
            email=mail if self._services.settings.smtp_url else None,
        )

    async def _signed(self, form: dict[str, str], client: Client) -> dict[str, str]:
        """The parameters of a request object, used up by this (A060-A082)."""
        services = self._services
        keys: tuple[PublicKey, ...] = ()
        if request_object.has_request_object(form):
            try:
                keys = await services.client_keys.of(client, request_object.kid_of(form))
            except (OutboundFailed, UnusableKey) as error:
                raise InvalidRequest(
                    "The keys of the client cannot be used", detail=str(error)
                ) from None
        parameters, used = request_object.parameters_of(
            form, client=client, keys=keys, issuer=services.settings.issuer, now=services.clock()
        )
        if used is not None and not await services.replays.first_use(used):
            raise InvalidRequest("request has been used before")
        return parameters

    async def _hint(self, parameters: dict[str, str], client: Client) -> LoginHint:
        """Whom a token means that was signed by us, or by an issuer we trust (A029-A034)."""
        services, issuer = self._services, self._services.settings.issuer
        if "login_hint_token" in parameters:
            return hint_tokens.login_hint_token(
                parameters["login_hint_token"],
                issuers=services.hint_issuers,
                issuer=issuer,
                now=services.clock(),
            )
        user_id = hint_tokens.id_token_hint(
            parameters["id_token_hint"],
            client_id=client.client_id,
            issuer=issuer,
            keys=(await services.signing_keys.ring()).public_keys(),
            now=services.clock(),
        )
        return LoginHint("user_id", user_id)

    async def _connections(
        self, client: Client, asked: AuthenticationRequest
    ) -> tuple[str, ...] | None:
        """
        Whose people the client may ask, None for everybody's: a third party those of the domain
        connections, within its mode and its grants (auth0-wire 4). What is read here is kept by
        this process, so the tenant's own clients pay nothing and third parties next to nothing.
        """
        if not third_party.is_third_party(client):
            return None
        services = self._services
        if not third_party.may_use_grant(client, await services.tenant(), CIBA_GRANT):
            raise CibaNotAllowed("Third-party clients may not start CIBA in strict mode")
        third_party.check_registered_scope(client, asked.scope)
        if asked.audience != services.settings.url("userinfo"):  # what no API is asked for is for
            grant_ids = third_party.personal_grant_ids(client, asked.audience)
            grants = [await services.client_grant(grant_id) for grant_id in grant_ids]
            third_party.check_personal_scopes(asked.scope, grants)
        known = await services.directory.read_whole(keys.CONNECTIONS, Connection)
        return third_party.domain_connections(known.values())

    async def _found(self, hint: LoginHint) -> str:
        """The user id of an e-mail address or a phone number."""
        user_id = await self._services.people.hints.find(hint.kind, hint.value)
        if user_id is None:
            raise UnknownUserId("User ID is malformed or unknown", detail=f"by {hint.kind}")
        return user_id

    def _terms(
        self,
        parameters: dict[str, str],
        client: Client,
        request: AuthenticationRequest,
        auth_req_id: str,
        *,
        bound_to: str,
        connections: tuple[str, ...] | None,
        usable: tuple[Means, ...],
    ) -> Terms:
        """How this request is to end, where that is not by plain polls."""
        mode = client.backchannel_token_delivery_mode
        uses_more = (
            client.backchannel_user_code_parameter
            or request.refreshable
            or request.matching_number
            or usable is not PUSH
        )
        if mode == "poll" and connections is None and not uses_more:
            return PLAIN
        return Terms(
            mode=mode,
            callback=self._callback(parameters, client, auth_req_id),
            user_code=self._user_code(parameters, client, request.user_id),
            refresh_lives_ms=_refresh_lives_ms(self._services.settings)
            if request.refreshable
            else (),
            confirmation=bound_to,
            connections=connections,
            channels=() if usable is PUSH else usable,
            capability=number_matching.CAPABILITY if request.matching_number else "",
        )

    def _callback(self, parameters: dict[str, str], client: Client, auth_req_id: str) -> bytes:
        """What it takes to call the client back, as it is now (T38), sealed (A159)."""
        if client.backchannel_token_delivery_mode == "poll":  # noqa: S105 - a mode
            return b""
        return sealed(
            Callback(
                mode=client.backchannel_token_delivery_mode,
                endpoint=client.backchannel_client_notification_endpoint,
                auth_req_id=auth_req_id,
                client_notification_token=parameters["client_notification_token"],
                client_id=client.client_id,
                client_since=client.since,
            ),
            self._services.seal,
            consent_id_of(auth_req_id),
        )

    def _user_code(self, parameters: dict[str, str], client: Client, user_id: str) -> str:
        """A038-A041: its MAC, '' when none was sent; '-' for a client that has no use for one."""
        if not client.backchannel_user_code_parameter:
            return "-"
        code = parameters.get("user_code")
        person_id = person_id_of(user_id, self._services.settings.partitions)
        return self._services.seal.user_code(person_id, code) if code else ""


def _refresh_lives_ms(settings: Settings) -> tuple[int, int]:
    return (
        settings.refresh_token_lifetime_seconds * 1_000,
        settings.refresh_token_idle_lifetime_seconds * 1_000,
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
