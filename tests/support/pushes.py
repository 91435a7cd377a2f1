"""A push as the worker builds it, to whatever address a test is about."""

from consent.push import Address, AddressKind, Notification, Push

COLLAPSE_ID = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE"
EXPIRES_AT_SECONDS = 1_790_000_300
LIFETIME_SECONDS = 120


def a_push(kind: AddressKind, value: str) -> Push:
    return Push(
        address=Address(kind=kind, value=value, registered_at_ms=1_780_000_000_000),
        notification=Notification(
            dai="dev_7Yk2Pq",
            txtkn="eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl",
            txlnkid="cns_9f3",
            c="k3qchallenge",
            d="2026-08-21T09:15:00.000Z",
            sh="nod.example.org",
        ),
        collapse_id=COLLAPSE_ID,
        expires_at_seconds=EXPIRES_AT_SECONDS,
        lifetime_seconds=LIFETIME_SECONDS,
    )
