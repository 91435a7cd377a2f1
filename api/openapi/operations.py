"""
Every operation there is, in the order it is read: clients, phones, administrators.

A route of the management API that is described nowhere is left out here, and
`tests/api/openapi/test_operations.py` says what to write.
"""

import re
from collections.abc import Iterable

from api.management.routes import Row
from api.openapi.applications import APPLICATIONS
from api.openapi.authenticator import AUTHENTICATOR
from api.openapi.devices import DEVICES
from api.openapi.guardian import GUARDIAN
from api.openapi.installation import INSTALLATION
from api.openapi.management import Described, operation
from api.openapi.operation import Operation
from api.openapi.people import PEOPLE
from api.openapi.protocol import PROTOCOL
from api.openapi.public import PUBLIC
from api.openapi.records import RECORDS
from api.openapi.registration import REGISTRATION

MANAGEMENT: dict[tuple[str, str], Described] = {
    **APPLICATIONS,
    **PEOPLE,
    **GUARDIAN,
    **RECORDS,
    **INSTALLATION,
}


def operations(rows: Iterable[Row]) -> list[Operation]:
    """What is described of `api.management.routes.table` and all that is not in it."""
    described = [
        operation(row.method, path, row.scope, row.summary, MANAGEMENT[row.method, path])
        for row in rows
        if (row.method, path := plain(row.path)) in MANAGEMENT
    ]
    return [*PROTOCOL, *REGISTRATION, *DEVICES, *PUBLIC, *AUTHENTICATOR, *described]


def plain(path: str) -> str:
    """A path of a route without the kinds of its parameters, which OpenAPI has no word for."""
    return re.sub(r":\w+\}", "}", path)
