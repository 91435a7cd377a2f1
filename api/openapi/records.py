"""The management operations on the log and on jobs."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from api.openapi.answers import Date, Text
from api.openapi.management import FIELDS, PAGING, TEXT, Described, one_of, page_of
from api.openapi.operation import JSON, Answer, Body, Header, Parameter
from consent.errors import ManagementError
from consent.management import logs, user_import, users

_LOGS, _JOBS = "Logs", "Jobs"
_JOB_ID = "job_x5xJ2k3l4m5n6o7p8q9r0s"
_LOG_ID = "90020260301120000000000000000000000000000000000000000001"
_HELD = ManagementError(403, "insufficient_scope", "Insufficient scope, expected: update:users")


class LogEvent(Struct, kw_only=True):
    """What happened; `hash` is over the record and the hash of the one before, `previous`."""

    log_id: str
    n: int
    hash: str
    previous: str
    date: Date
    type: str
    description: str
    client_id: Text = UNSET
    client_name: Text = UNSET
    user_id: Text = UNSET
    ip: Text = UNSET
    user_agent: Text = UNSET
    audience: Text = UNSET
    scope: list[str] | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET


class Summary(Struct, kw_only=True):
    failed: int
    updated: int
    inserted: int
    total: int


class ImportJob(Struct, kw_only=True):
    id: str
    type: Literal["users_import"]
    status: Literal["completed"]
    created_at: Date
    connection_id: str
    upsert: bool
    summary: Summary
    external_id: Text = UNSET
    warnings: list[str] | UnsetType = UNSET


class ImportForm(Struct, kw_only=True):
    """`users` is a file: a JSON array of users."""

    users: str
    connection_id: Text = UNSET
    upsert: Literal["true", "false"] | UnsetType = UNSET
    external_id: Text = UNSET


EVENT = Answer(
    200,
    "The event",
    LogEvent,
    {
        "log_id": _LOG_ID,
        "n": 1,
        "hash": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "previous": "",
        "date": "2026-03-01T12:00:00.000Z",
        "type": "sapi",
        "description": "Create a client",
        "client_id": "xK9pE2sVb4mQ7rT1yU8iO3aS5dF6gH0j",
        "ip": "192.0.2.7",
        "details": {"request": {"method": "POST", "path": "/api/v2/clients"}},
    },
)
_SEARCH = (
    Parameter("q", "Lucene: `field:value`, ranges, AND, OR, NOT", TEXT, example="type:sapi"),
    Parameter("search", "The same, as Auth0's libraries call it", TEXT),
    Parameter("sort", "By date, the newest or the oldest first", one_of("date:-1", "date:1")),
)
_PAGE = page_of("logs", EVENT)._replace(
    forms=("array", "totals"),
    headers=(Header("nod-search-incomplete", "There was more to look at", {"type": "string"}),),
)
JOB = Answer(
    200,
    "The job",
    ImportJob,
    {
        "id": _JOB_ID,
        "type": "users_import",
        "status": "completed",
        "created_at": "2026-03-01T12:00:00.000Z",
        "connection_id": "con_007Lp0WqPRmDFzOs",
        "upsert": False,
        "summary": {"failed": 0, "updated": 0, "inserted": 1, "total": 1},
    },
)

RECORDS = {
    ("GET", "/logs"): Described(
        _LOGS,
        _PAGE,
        parameters=(*PAGING, *FIELDS, *_SEARCH),
        description="A walk with `from` and `take` begins with the oldest and is a bare array.",
    ),
    ("GET", "/logs/{id}"): Described(
        _LOGS, EVENT, errors=(logs.inexistent_log(),), parameters=FIELDS
    ),
    ("GET", "/users/{user_id}/logs"): Described(
        _LOGS, _PAGE, parameters=(*PAGING, *FIELDS, *_SEARCH)
    ),
    ("POST", "/jobs/users-imports"): Described(
        _JOBS,
        JOB._replace(status=202, description="It is done"),
        Body(
            user_import.UsersImport,
            {"users": [{"email": "aiko@example.com"}]},
            (JSON,),
            (
                Body(
                    ImportForm,
                    {"users": '[{"email": "aiko@example.com"}]'},
                    ("multipart/form-data",),
                ),
            ),
        ),
        (users.unknown_connection(), _HELD),
    ),
    ("GET", "/jobs/{id}"): Described(_JOBS, JOB, errors=(user_import.inexistent_job(),)),
    ("GET", "/jobs/{id}/errors"): Described(
        _JOBS,
        Answer(
            200,
            "Who was not imported, and why",
            list[user_import.Failure],
            [
                {
                    "user": {"email": "aiko"},
                    "errors": [
                        {
                            "code": "INVALID_FORMAT",
                            "message": "Payload validation error: 'Not an email address' "
                            "on property email.",
                            "path": "email",
                        }
                    ],
                }
            ],
        ),
        errors=(user_import.inexistent_job(),),
    ),
}
