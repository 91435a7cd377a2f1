"""The management operations on factors and push providers."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from api.openapi.management import GONE, Described
from api.openapi.operation import Answer, Body
from consent.errors import ManagementError
from consent.management import factors

_TAG = "Factors"
_PUSH = "/guardian/factors/push-notification"
_NOT_SUPPORTED = factors.not_supported("This factor is not supported here")


class Factor(Struct, kw_only=True):
    name: str
    enabled: bool
    trial_expired: bool


class Enabled(Struct, kw_only=True):
    enabled: bool


class Provider(Struct, kw_only=True):
    provider: str


class ShownApns(Struct, kw_only=True):
    """Without its credentials, which are never shown."""

    bundle_id: str | None
    sandbox: bool
    enabled: bool


class ChangedApns(Struct, kw_only=True):
    bundle_id: str
    sandbox: bool


class ShownFcm(Struct, kw_only=True):
    """Without its credentials, which are never shown."""

    project_id: str | None
    enabled: bool


class NewApns(factors.ApnsChange, frozen=True):
    """A `p12` in base64 or, ours, the text of a `p8` with its `key_id` and `team_id`."""

    p8: str | None = None


class NewFcm(Struct, kw_only=True):
    server_credentials: Annotated[str, Meta(description="The JSON text of a service account")]


class Nothing(Struct):
    """An empty object."""


_APNS = Described(
    _TAG,
    Answer(200, "The provider", ChangedApns, {"bundle_id": "com.example.app", "sandbox": False}),
    Body(
        NewApns,
        {
            "bundle_id": "com.example.app",
            "sandbox": False,
            "p8": "-----BEGIN PRIVATE KEY-----\n(base64)\n-----END PRIVATE KEY-----\n",
            "key_id": "ABC123DEFG",
            "team_id": "DEF123GHIJ",
        },
    ),
)
_FCM = Described(
    _TAG,
    Answer(200, "It is stored", Nothing, {}),
    Body(NewFcm, {"server_credentials": '{"type": "service_account", "project_id": "example"}'}),
)
_LEGACY = Described(
    _TAG,
    Answer(200, "Never", Nothing, {}),
    Body(dict[str, Any], {"server_key": "AAAA"}),
    (factors.dead_provider(),),
    description="Google turned it off in 2024.",
)
_CHOICE = Answer(200, "Who brings pushes", Provider, {"provider": "direct"})

GUARDIAN = {
    ("GET", "/guardian/factors"): Described(
        _TAG,
        Answer(
            200,
            "The factors",
            list[Factor],
            [{"name": "push-notification", "enabled": True, "trial_expired": False}],
        ),
    ),
    ("PUT", "/guardian/factors/{name}"): Described(
        _TAG,
        Answer(200, "As it is now", Enabled, {"enabled": True}),
        Body(factors.FactorChange, {"enabled": True}),
        (
            ManagementError(404, "inexistent_factor", "The factor does not exist."),
            _NOT_SUPPORTED,
        ),
    ),
    ("GET", f"{_PUSH}/selected-provider"): Described(_TAG, _CHOICE),
    ("PUT", f"{_PUSH}/selected-provider"): Described(
        _TAG, _CHOICE, Body(factors.ProviderChoice, {"provider": "direct"}), (_NOT_SUPPORTED,)
    ),
    ("GET", f"{_PUSH}/providers/apns"): Described(
        _TAG,
        Answer(
            200,
            "The provider",
            ShownApns,
            {"bundle_id": "com.example.app", "sandbox": False, "enabled": True},
        ),
    ),
    ("PUT", f"{_PUSH}/providers/apns"): _APNS,
    ("PATCH", f"{_PUSH}/providers/apns"): _APNS,
    ("DELETE", f"{_PUSH}/providers/apns"): Described(
        _TAG, GONE, description="Pushes go through the provider of the settings, if there is one."
    ),
    ("GET", f"{_PUSH}/providers/fcmv1"): Described(
        _TAG,
        Answer(200, "The provider", ShownFcm, {"project_id": "example", "enabled": True}),
    ),
    ("PUT", f"{_PUSH}/providers/fcmv1"): _FCM,
    ("PATCH", f"{_PUSH}/providers/fcmv1"): _FCM,
    ("DELETE", f"{_PUSH}/providers/fcmv1"): Described(
        _TAG, GONE, description="Pushes go through the provider of the settings, if there is one."
    ),
    ("PUT", f"{_PUSH}/providers/fcm"): _LEGACY,
    ("PATCH", f"{_PUSH}/providers/fcm"): _LEGACY,
}
