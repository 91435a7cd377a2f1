"""The names of the keys; their contents are described in the package's docstring."""

from consent.identifiers import partition_of, person_of_mailbox_device

CLIENTS = "nod:{directory}:clients"
RESOURCE_SERVERS = "nod:{directory}:resource_servers"
CLIENT_GRANTS = "nod:{directory}:client_grants"
KEYS = "nod:{directory}:keys"
TENANT = "nod:{directory}:tenant"
CONNECTIONS = "nod:{directory}:connections"
FACTORS = "nod:{directory}:factors"
INITIAL_ACCESS_TOKENS = "nod:{directory}:initial_access_tokens"
UNUSED_REGISTRATIONS = "nod:{directory}:unused_registrations"
EVENTS = "nod:{directory}:events"
FACTS = "nod:{directory}:facts"
WORKERS = "nod:{directory}:workers"
CHANGES = "nod:directory"
DECIDED = "nod:decided"
PERSON = "nod:person:"
LOG_RECORDS = "nod:{log}:records"
LOG_STATE = "nod:{log}:state"
LOG_APPENDER = "nod:{log}:appender"


def address_owner(digest: str) -> str:
    return f"nod:address:{digest}"


def registrations_from(digest: str) -> str:
    """How many clients an address has registered of late."""
    return f"nod:{{directory}}:registrations:{digest}"


def sector_fetches_from(digest: str) -> str:
    """How many sector documents an address has had fetched of late."""
    return f"nod:{{directory}}:sector_fetches:{digest}"


def index(hash_name: str, name: str) -> str:
    """The ids of a hash's records in order: all of them, or those an index is for."""
    return f"{hash_name}:ids:{name}"


def job(job_id: str) -> str:
    return f"nod:{{directory}}:job:{job_id}"


def used(name: str) -> str:
    return f"nod:used:{name}"


def hint(digest: str) -> str:
    return f"nod:hint:{digest}"


class Partition:
    """The keys of one partition: `Partition.of(identifier)`."""

    __slots__ = ("prefix",)
    _all: dict[str, "Partition"] = {}  # noqa: RUF012 - a cache of at most 4096 values

    def __init__(self, digits: str) -> None:
        self.prefix = f"nod:{{{digits}}}"

    @classmethod
    def of(cls, identifier: str) -> "Partition":
        digits = partition_of(identifier)
        known = cls._all.get(digits)
        if known is None:
            known = cls._all[digits] = cls(digits)
        return known

    @property
    def outbox(self) -> str:
        return self.prefix + ":outbox"

    @property
    def opened(self) -> str:
        return self.prefix + ":opened"

    @property
    def events(self) -> str:
        return self.prefix + ":events"

    @property
    def people(self) -> str:
        return self.prefix + ":people"

    @property
    def found_by(self) -> str:
        return self.prefix + ":found_by"

    @property
    def stats(self) -> str:
        return self.prefix + ":stats"

    @property
    def accepted(self) -> str:
        return self.prefix + ":accepted"

    @property
    def notices(self) -> str:
        return self.prefix + ":notices"

    def notice(self, device_id: str) -> str:
        return f"{self.prefix}:notice:{device_id}"

    def consent(self, consent_id: str = "") -> str:
        return f"{self.prefix}:consent:{consent_id}"

    def story(self, consent_id: str) -> str:
        return f"{self.prefix}:story:{consent_id}"

    def receipt(self, consent_id: str) -> str:
        return f"{self.prefix}:receipt:{consent_id}"

    def mailbox(self, consent_id: str) -> str:
        return f"{self.prefix}:mailbox:{consent_id}"

    @property
    def calls(self) -> str:
        return self.prefix + ":calls"

    def callback(self, consent_id: str) -> str:
        return f"{self.prefix}:callback:{consent_id}"

    def grant(self, consent_id: str = "") -> str:
        return f"{self.prefix}:grant:{consent_id}"

    def revoked(self, jti: str = "") -> str:
        return f"{self.prefix}:revoked:{jti}"

    def open(self, person_id: str = "") -> str:
        return f"{self.prefix}:open:{person_id}"

    def refusals(self, person_id: str) -> str:
        return f"{self.prefix}:refusals:{person_id}"

    def mailed(self, person_id: str) -> str:
        return f"{self.prefix}:mailed:{person_id}"

    def recent(self, person_id: str) -> str:
        return f"{self.prefix}:recent:{person_id}"

    def person(self, person_id: str = "") -> str:
        return f"{self.prefix}:person:{person_id}"

    def devices(self, person_id: str) -> str:
        return f"{self.prefix}:devices:{person_id}"

    def devices_that_answer(self, person_id: str, device_id: str, consent_id: str) -> str:
        """Where a device is known: what was opened from a mail, beside its one consent alone."""
        if person_of_mailbox_device(device_id) is None:
            return self.devices(person_id)
        return self.mailbox(consent_id)

    def addresses(self, person_id: str = "") -> str:
        return f"{self.prefix}:addresses:{person_id}"

    def ticket(self, digest: str) -> str:
        return f"{self.prefix}:ticket:{digest}"

    def proof(self, digest: str) -> str:
        return f"{self.prefix}:proof:{digest}"


def partitions(count: int) -> list[Partition]:
    return [Partition.of(f"{number:03x}") for number in range(count)]
