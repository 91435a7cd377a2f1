"""POST /oauth/receipt: what a client may show to others of an approval it has got."""

import msgspec

from api.ciba_grant import PENDING, refusal
from api.client_authentication import authenticate
from api.edge import Call, Reply, json_reply
from api.services import Services
from consent.authentication_request import AuthenticationRequest
from consent.errors import InvalidGrant, InvalidRequest
from consent.identifiers import consent_id_of, is_auth_req_id
from consent.receipt import Approval, receipt, signed
from consent.signing_key import ALGORITHM


class ReceiptEndpoint:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def issue(self, call: Call) -> Reply:
        """Of an approval, redeemed or not, however the client hears of it; nothing is paced."""
        services = self._services
        parameters = call.form_or_json()
        client = await authenticate(services, call, parameters)
        auth_req_id = parameters.get("auth_req_id")
        if auth_req_id is None:
            raise InvalidRequest("auth_req_id is missing")
        if not is_auth_req_id(auth_req_id):
            raise refusal("unknown", client)
        consent_id = call.facts["consent"] = consent_id_of(auth_req_id)
        approved = await services.store.receipts.read(consent_id, client)
        match approved:
            case "pending":
                return PENDING
            case "unsigned":
                raise InvalidGrant("No device signed the approval")
            case str():
                raise refusal(approved, client)
        claims = receipt(
            consent_id,
            msgspec.json.decode(approved.request, type=AuthenticationRequest),
            created_at_ms=approved.created_at_ms,
            expires_at_ms=approved.expires_at_ms,
            approved_at_ms=approved.approved_at_ms,
            approval=msgspec.json.decode(approved.approval, type=Approval),
            issuer=services.settings.issuer,
        )
        return json_reply({"receipt": signed(claims, await services.signer(ALGORITHM))})
