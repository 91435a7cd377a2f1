"""Mailbox approval: the page a mail leads to becomes what answers one consent, and no more."""

import msgspec

from api.device_authentication import bearer_of, check_mailbox_allowed, json_body
from api.edge import Call, Reply, json_reply
from api.services import Services
from consent import transaction
from consent.device import Device, invalid_body
from consent.device_key import DeviceKey, UnusableKey, device_key
from consent.errors import DeviceError
from consent.identifiers import new_mailbox_device_id
from consent.mailbox import address_now, link_of_token
from consent.store.mailboxes import Opened

_SCHEME = "Mailbox"
_CAPABILITIES = ["number_matching", "consent_digest"]  # the page is ours


class Mailbox:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def open(self, call: Call) -> Reply:
        """
        POST mailbox: a key of the page is bound to the consent of the mail, once.

        The token comes from the fragment of the mail's link, which a scanner of links never sends.
        Whoever has it reads the mailbox, which must still be the person's; from here on the key
        alone counts.
        """
        services, settings = self._services, self._services.settings
        link = link_of_token(
            bearer_of(call, _SCHEME),
            seal=services.seal,
            issuer=settings.issuer,
            now=services.clock(),
        )
        consent_id = link.consent_id
        call.facts["consent"] = consent_id
        await check_mailbox_allowed(services)
        key = _page_key(json_body(call))
        asked = await services.consent_records.asked(consent_id)
        person_id = await services.mailboxes.person_of(consent_id)
        # Who asked may have left since: there is nobody to answer (T39).
        if asked is None or person_id is None or await services.client(asked.client_id) is None:
            raise _unknown()
        user = await services.people.read(person_id)
        address = address_now(link, user) if user else None
        if address is None:
            raise _unknown()
        device_id = new_mailbox_device_id(person_id)
        opened = await services.mailboxes.open(
            consent_id=consent_id,
            person_id=person_id,
            address=address,  # looked at again in the step that binds the key
            device_id=device_id,
            thumbprint=key.thumbprint,
            record=msgspec.json.encode(
                Device(
                    device_id=device_id,
                    user_id=msgspec.json.decode(asked.request)["user_id"],
                    identifier=device_id,  # the page answers by the id that it is given
                    name=_SCHEME,
                    public_key=key.jwk,
                    token_digest="",  # it has no token of its own
                    service="NONE",
                    enrolled_at_ms=int(services.clock() * 1_000),
                    capabilities=_CAPABILITIES,
                )
            ),
        )
        _check_opened(opened)
        call.facts["device"] = opened.device_id
        notification = transaction.notification(
            seal=services.seal,
            issuer=settings.issuer,
            consent_id=consent_id,
            device_id=opened.device_id,
            created_at_ms=opened.created_at_ms,
            expires_at_ms=opened.expires_at_ms,
        )
        listed = msgspec.to_builtins(notification) | {
            "expires_at": transaction.iso_date(opened.expires_at_ms)
        }
        return json_reply({"id": opened.device_id, "notification": listed}, 201)


def _page_key(body: dict[str, object]) -> DeviceKey:
    try:
        key = device_key(body.get("public_key"))
    except UnusableKey as error:
        raise invalid_body(str(error)) from None
    if key.algorithm != "ES256":
        raise invalid_body("public_key must be a P-256 key")
    return key


def _check_opened(opened: Opened) -> None:
    match opened.outcome:
        case "opened":
            return
        case "unknown" | "over":
            raise _unknown()
        case "expired":
            raise transaction.expired()
        case "blocked":
            raise DeviceError(403, "user_blocked", "The user is blocked")
        case "conflict":
            raise DeviceError(409, "enrollment_conflict", "The link has been opened elsewhere")
    raise AssertionError(f"open_mailbox.lua replied {opened.outcome}")


def _unknown() -> DeviceError:
    return DeviceError(404, "login_transaction_not_found", "There is no such transaction")
