"""What anybody may read: discovery, keys, health, metrics, and this description."""

from api.openapi import answers
from api.openapi.operation import HTML, Answer, Operation
from api.public import NotReady
from consent.errors import Refusal, oauth_body
from consent.metadata import provider_metadata
from consent.settings import Settings

_METADATA = provider_metadata(Settings(issuer="https://nod.example.com/"))


def _metadata(path: str) -> Operation:
    return Operation(
        "GET",
        path,
        "Discovery",
        "What this server offers, and where",
        (Answer(200, "The metadata", answers.ProviderMetadata, _METADATA),),
        oauth_body,
    )


def _health(method: str, path: str, summary: str, status: str, *errors: Refusal) -> Operation:
    answer = Answer(200, "Yes", answers.Health, {"status": status})
    if method == "HEAD":
        answer = Answer(200, "Yes")
    return Operation(method, path, "Operation", summary, (answer,), oauth_body, errors=errors)


def _authorize(method: str) -> Operation:
    return Operation(
        method,
        "/authorize",
        "Discovery",
        "No grant begins here: a page that says so",
        (Answer(400, "A page for people", media_type=HTML),),
        oauth_body,
    )


PUBLIC = (
    _metadata("/.well-known/openid-configuration"),
    _metadata("/.well-known/oauth-authorization-server"),
    Operation(
        "GET",
        "/.well-known/jwks.json",
        "Discovery",
        "The public keys that tokens are verified with",
        (
            Answer(
                200,
                "The keys",
                answers.KeySet,
                {"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig"}]},
            ),
        ),
        oauth_body,
    ),
    _authorize("GET"),
    _authorize("POST"),
    _health("GET", "/healthz", "Is the process alive?", "alive"),
    _health("HEAD", "/healthz", "Is the process alive?", "alive"),
    _health("GET", "/readyz", "Can people be asked?", "ready", NotReady("No worker is alive")),
    _health("HEAD", "/readyz", "Can people be asked?", "ready", NotReady("No worker is alive")),
    Operation(
        "GET",
        "/metrics",
        "Operation",
        "Counters and gauges in Prometheus' text format",
        (Answer(200, "The metrics", media_type="text/plain"),),
        oauth_body,
    ),
    Operation(
        "GET",
        "/openapi.json",
        "Discovery",
        "This description",
        (Answer(200, "An OpenAPI 3.1 document", dict[str, object]),),
        oauth_body,
    ),
    Operation(
        "GET",
        "/docs",
        "Discovery",
        "This description as a page",
        (Answer(200, "A page for people", media_type=HTML),),
        oauth_body,
    ),
)
