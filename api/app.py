"""The application: which path is whose, and what opens and closes with it."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from api.backchannel_authentication import BackchannelAuthentication
from api.device_api import DeviceApi
from api.edge import Admission, Endpoint, Handler, Shape
from api.management.routes import management_routes
from api.public import Public
from api.rich_consents import RichConsents
from api.services import Services
from api.token import TokenEndpoint
from consent.errors import device_body, oauth_body


def create_app(services: Services) -> Starlette:
    """The ASGI application over opened services."""
    admission = Admission(services.settings)

    def route(path: str, name: str, shape: Shape, **handlers: Handler) -> Route:
        return Route(path, Endpoint(name, handlers, shape, admission))

    backchannel = BackchannelAuthentication(services)
    token = TokenEndpoint(services)
    device = DeviceApi(services)
    consents = RichConsents(services)
    public = Public(services)
    routes: list[BaseRoute] = [
        route("/oauth/token", "token", oauth_body, POST=token.exchange),
        route("/bc-authorize", "bc-authorize", oauth_body, POST=backchannel.start),
        route("/token", "token", oauth_body, POST=token.exchange),
        route("/rich-consents/{consent_id}", "rich-consent", device_body, GET=consents.fetch),
        route("/rich-consents", "rich-consents", device_body, GET=consents.pending),
        route(
            "/appliance-mfa/api/resolve-transaction",
            "resolve-transaction",
            device_body,
            POST=device.resolve,
        ),
        route("/appliance-mfa/api/enroll", "enroll", device_body, POST=device.enroll),
        route(
            "/appliance-mfa/api/device-accounts/{device_id}",
            "device-accounts",
            device_body,
            PATCH=device.change,
            DELETE=device.leave,
        ),
        route("/.well-known/openid-configuration", "metadata", oauth_body, GET=public.metadata),
        route(
            "/.well-known/oauth-authorization-server", "metadata", oauth_body, GET=public.metadata
        ),
        route("/.well-known/jwks.json", "jwks", oauth_body, GET=public.keys),
        route("/authorize", "authorize", oauth_body, GET=public.authorize, POST=public.authorize),
        route("/healthz", "healthz", oauth_body, GET=public.alive),
        route("/readyz", "readyz", oauth_body, GET=public.ready),
        route("/metrics", "metrics", oauth_body, GET=public.metrics),
        *management_routes(services, admission),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _not_found})


async def _not_found(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, HTTPException)  # noqa: S101 - that is what it is registered for
    return JSONResponse(
        {"error": "not_found", "error_description": "There is nothing at this path"},
        error.status_code,
    )
