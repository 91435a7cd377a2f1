"""The application: which path is whose, and what opens and closes with it."""

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from api.authenticator.enrollment import EnrollmentPage
from api.authenticator.served import Authenticator
from api.backchannel_authentication import BackchannelAuthentication
from api.device_api import DeviceApi
from api.edge import Admission, Endpoint, Handler, Shape
from api.introspection import Introspection
from api.mailbox import Mailbox
from api.management.routes import management_routes
from api.openapi.served import Description
from api.public import Public
from api.receipts import ReceiptEndpoint
from api.registration import RegistrationEndpoint
from api.revocation import Revocation
from api.rich_consents import RichConsents
from api.services import Services
from api.token import TokenEndpoint
from api.userinfo import UserInfo
from consent.errors import device_body, management_body, oauth_body


def create_app(services: Services) -> ASGIApp:
    """The ASGI application over opened services."""
    admission = Admission(services.settings)

    def route(path: str, name: str, shape: Shape, **handlers: Handler) -> Route:
        return Route(path, Endpoint(name, handlers, shape, admission))

    backchannel = BackchannelAuthentication(services)
    token = TokenEndpoint(services)
    device = DeviceApi(services)
    consents = RichConsents(services)
    public = Public(services)
    userinfo = UserInfo(services)
    description = Description(services)
    registration = RegistrationEndpoint(services)
    authenticator = Authenticator(services)
    enrollment = EnrollmentPage(services)
    routes: list[BaseRoute] = [
        route("/oauth/token", "token", oauth_body, POST=token.exchange),
        route("/bc-authorize", "bc-authorize", oauth_body, POST=backchannel.start),
        route("/token", "token", oauth_body, POST=token.exchange),
        route("/oauth/revoke", "revoke", oauth_body, POST=Revocation(services).revoke),
        route(
            "/oauth/introspect", "introspect", oauth_body, POST=Introspection(services).introspect
        ),
        route("/oauth/receipt", "receipt", oauth_body, POST=ReceiptEndpoint(services).issue),
        route("/openapi.json", "openapi", oauth_body, GET=description.document),
        route("/docs", "docs", oauth_body, GET=description.page),
        route("/oidc/register", "register", oauth_body, POST=registration.register),
        route(
            "/oidc/register/{client_id}",
            "registration",
            oauth_body,
            GET=registration.read,
            PUT=registration.update,
            DELETE=registration.delete,
        ),
        route("/userinfo", "userinfo", oauth_body, GET=userinfo.claims, POST=userinfo.claims),
        route("/rich-consents/{consent_id}", "rich-consent", device_body, GET=consents.fetch),
        route("/rich-consents", "rich-consents", device_body, GET=consents.pending),
        route("/rich-consents/events", "rich-consents-events", device_body, GET=consents.events),
        route(
            "/appliance-mfa/api/resolve-transaction",
            "resolve-transaction",
            device_body,
            POST=device.resolve,
        ),
        route("/appliance-mfa/api/enroll", "enroll", device_body, POST=device.enroll),
        route("/appliance-mfa/api/mailbox", "mailbox", device_body, POST=Mailbox(services).open),
        route(
            "/appliance-mfa/api/device-accounts/{device_id}",
            "device-accounts",
            device_body,
            PATCH=device.change,
            DELETE=device.leave,
        ),
        route(
            "/authenticator",
            "authenticator",
            oauth_body,
            GET=authenticator.page,
            HEAD=authenticator.page,
        ),
        route("/authenticator/config.json", "authenticator", oauth_body, GET=authenticator.config),
        route(
            "/authenticator/{file}",
            "authenticator",
            oauth_body,
            GET=authenticator.file,
            HEAD=authenticator.file,
        ),
        route("/mfa/enrollment", "enrollment", management_body, GET=enrollment.show),
        route("/mfa/enrollment/status", "enrollment", device_body, GET=enrollment.status),
        route("/.well-known/openid-configuration", "metadata", oauth_body, GET=public.metadata),
        route(
            "/.well-known/oauth-authorization-server", "metadata", oauth_body, GET=public.metadata
        ),
        route("/.well-known/jwks.json", "jwks", oauth_body, GET=public.keys),
        route("/authorize", "authorize", oauth_body, GET=public.authorize, POST=public.authorize),
        route("/healthz", "healthz", oauth_body, GET=public.alive, HEAD=public.alive),
        route("/readyz", "readyz", oauth_body, GET=public.ready, HEAD=public.ready),
        route("/metrics", "metrics", oauth_body, GET=public.metrics),
        *management_routes(services, admission),
    ]
    # No middleware: an Endpoint answers every failure itself, and each layer costs every request.
    rest = Router(routes, default=_nothing_here, redirect_slashes=False)
    by_path = {
        route.path: route.app
        for route in routes
        if isinstance(route, Route) and "{" not in route.path
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Paths without parameters, most of the traffic, are looked up instead of matched."""
        await by_path.get(scope["path"], rest)(scope, receive, send)

    return app


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    body = {"error": "not_found", "error_description": "There is nothing at this path"}
    await JSONResponse(body, 404)(scope, receive, send)
