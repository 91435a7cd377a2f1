"""The OpenAPI 3.1 document, made of the table of operations and of the structs of its bodies."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from api.openapi import answers
from api.openapi.operation import JSON, Answer, Operation, Parameter, Schema
from api.openapi.security import security_schemes
from consent.errors import (
    OAuthError,
    Refusal,
    ServerError,
    TemporarilyUnavailable,
    device_body,
    management_body,
    oauth_body,
)
from consent.settings import Settings

VERSION = "0.1.0"  # of the project
_SCHEMAS = "#/components/schemas/"
_RESPONSES = "#/components/responses/"
_ABOUT = """\
Nod asks a person on their phone and returns their signed answer.

Members nobody knows are ignored, and in a body null is as good as nothing. A request that is not \
well-formed HTTP, too large or too slow is answered before its path is looked at (400, 408, 413, \
431), with `error` and `error_description`. A method that a path does not have is a 405, which \
names those it has in `Allow`; a path that is none is a 404."""

# By the shape of an endpoint's refusals: its kind, and the member that holds the code.
_SHAPES = {
    oauth_body: (answers.OAuthRefusal, "error"),
    management_body: (answers.ManagementRefusal, "errorCode"),
    device_body: (answers.DeviceRefusal, "errorCode"),
}
_ANYWHERE: tuple[Refusal, ...] = (
    ServerError("An unexpected error occurred"),
    TemporarilyUnavailable(),
)
_BEFORE = {
    408: ("RequestTimeout", "The request was not complete within 10 s"),
    413: ("PayloadTooLarge", "The request body exceeds 65536 octets"),
    431: ("HeadTooLarge", "The request head exceeds 16384 octets or 100 header fields"),
}
_PATH_PARAMETERS = {
    "client_id": ("A client", "xK9pE2sVb4mQ7rT1yU8iO3aS5dF6gH0j"),
    "user_id": ("A user", "auth0|5f7c8ec7c33c6c004bbafe82"),
    "device_id": ("An enrolment", "dev_007Lp0WqPRmDFzOsCFyw0ESJmbB1a2b3c4d5e6"),
    "consent_id": ("A consent", "007Lp0WqPRmDFzOsCFyw0ESJmbBpOF4kgsQTTWsbNQ0XfA"),
    "name": ("A factor", "push-notification"),
    "id": ("What it is about", "007Lp0WqPRmDFzOs"),
    "file": ("A file", "style.css"),
}
_IN_PATH = re.compile(r"\{(\w+)\}").findall


def document(operations: Iterable[Operation], settings: Settings) -> dict[str, Any]:
    """JSON values throughout, the same each time."""
    table = list(operations)
    schemas = _Schemas(table)
    paths: dict[str, dict[str, object]] = {}
    for operation in table:
        item = paths.setdefault(operation.path, {})
        item[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Nod",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": settings.issuer.rstrip("/")}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in table)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": _common_responses(schemas),
            "securitySchemes": security_schemes(settings),
        },
    }


class _Schemas:
    """The schemas of all kinds there are, each a component that others refer to."""

    def __init__(self, table: list[Operation]) -> None:
        kinds = [kind for kind, _ in _SHAPES.values()]
        for operation in table:
            if body := operation.body:
                kinds += [it.kind for it in (body, *body.others)]
            kinds += [answer.kind for answer in operation.answers if answer.kind]
        made, self.components = msgspec.json.schema_components(
            kinds, schema_hook=_free, ref_template=_SCHEMAS + "{name}"
        )
        self._of = dict(zip(kinds, made, strict=True))

    def of(self, kind: Any) -> Schema:  # noqa: ANN401 - any type msgspec knows
        return {**self._of[kind]}

    def part_of(self, kind: Any) -> Schema:  # noqa: ANN401
        """Some members of a kind, as `fields` selects them."""
        name = str(self.of(kind)["$ref"]).removeprefix(_SCHEMAS)
        whole = {key: value for key, value in self.components[name].items() if key != "required"}
        self.components[f"{name}Part"] = whole | {"title": f"{whole['title']}Part"}
        return {"$ref": f"{_SCHEMAS}{name}Part"}


def _free(kind: type) -> dict[str, object]:
    """`object` is whatever JSON there is. Raises NotImplementedError, by which msgspec has a hook
    say that it does not know a type either: then the process does not start.
    """
    if kind is object:
        return {"description": "Any value"}
    raise NotImplementedError(kind)


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, object]:
    described: dict[str, object] = {
        "operationId": _operation_id(operation),
        "tags": [operation.tag],
        "summary": operation.summary,
    }
    if operation.description:
        described["description"] = operation.description
    if operation.security:
        described["security"] = [dict(it) for it in operation.security]
    in_path = [
        Parameter(
            name, _PATH_PARAMETERS[name][0], {"type": "string"}, "path", required=True
        )._replace(example=_PATH_PARAMETERS[name][1])
        for name in _IN_PATH(operation.path)
    ]
    if parameters := [*in_path, *operation.parameters]:
        described["parameters"] = [_parameter(it) for it in parameters]
    if body := operation.body:
        described["requestBody"] = {
            "required": body.required,
            "content": {
                media_type: {"schema": schemas.of(it.kind), "example": it.example}
                for it in (body, *body.others)
                for media_type in it.media_types
            },
        }
    described["responses"] = _responses(operation, schemas)
    return described


def _operation_id(operation: Operation) -> str:
    return re.sub(r"\W+", "_", f"{operation.method.lower()}{operation.path}").strip("_")


def _parameter(it: Parameter) -> dict[str, object]:
    described: dict[str, object] = {
        "name": it.name,
        "in": it.place,
        "description": it.description,
        "required": it.required,
        "schema": it.schema,
    }
    return described if it.example is None else described | {"example": it.example}


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, dict[str, Any]]:
    responses: dict[str, dict[str, Any]] = {}
    selects = any(it.name == "fields" for it in operation.parameters)
    for answer in operation.answers:
        responses[str(answer.status)] = _answer(answer, schemas, selects=selects)
    refused: dict[int, list[Refusal]] = {}
    for refusal in operation.errors:
        refused.setdefault(refusal.status, []).append(refusal)
    for refusal in _ANYWHERE:
        if refusal.status in refused:
            refused[refusal.status].append(refusal)
        else:
            name = _common_name(operation.shape, refusal)
            responses[str(refusal.status)] = {"$ref": _RESPONSES + name}
    for status, refusals in refused.items():
        response = _refused(refusals, operation.shape, schemas)
        if str(status) in responses:
            response = _either(responses[str(status)], response)
        responses[str(status)] = response
    for status, (name, _) in _BEFORE.items():
        responses[str(status)] = {"$ref": _RESPONSES + name}
    return dict(sorted(responses.items()))


def _answer(answer: Answer, schemas: _Schemas, *, selects: bool) -> dict[str, object]:
    described: dict[str, object] = {"description": answer.description}
    if answer.headers:
        described["headers"] = {
            it.name: {"description": it.description, "schema": it.schema} for it in answer.headers
        }
    if answer.kind is None:
        if answer.media_type != JSON:
            described["content"] = {answer.media_type: {"schema": {"type": "string"}}}
        return described
    schema = schemas.part_of(answer.kind) if selects else schemas.of(answer.kind)
    content: dict[str, object]
    if answer.page_of:
        content = _paged(answer, schema)
    else:
        content = {"schema": schema}
        if answer.example is not None:
            content["example"] = answer.example
    described["content"] = {answer.media_type: content}
    return described


def _paged(answer: Answer, item: Schema) -> dict[str, object]:
    """A list in the forms it is asked for in (auth0-wire 3.2)."""
    items: Schema = {"type": "array", "items": item}
    number: Schema = {"type": "integer"}
    name, example = answer.page_of, [answer.example]
    counted = dict.fromkeys(("total", "start", "limit", "length"), number)
    schemas: dict[str, Schema] = {
        "array": items,
        "totals": {
            "type": "object",
            "properties": {**counted, name: items},
            "required": [*counted, name],
        },
        "checkpoint": {
            "type": "object",
            "properties": {name: items, "next": {"type": "string"}},
            "required": [name],
        },
    }
    examples: dict[str, object] = {
        "array": example,
        "totals": {"total": 1, "start": 0, "limit": 50, "length": 1, name: example},
        "checkpoint": {name: example, "next": "007Lp0WqPRmDFzOs"},
    }
    return {
        "schema": {"anyOf": [schemas[form] for form in answer.forms]},
        "examples": {form: {"value": examples[form]} for form in answer.forms},
    }


def _refused(refusals: list[Refusal], shape: Any, schemas: _Schemas) -> dict[str, object]:  # noqa: ANN401
    kind, member = _SHAPES[shape]
    codes = list(dict.fromkeys(refusal.error for refusal in refusals))
    described: dict[str, object] = {
        "description": ", ".join(codes),
        "content": {
            JSON: {
                "schema": {**schemas.of(kind), "properties": {member: {"enum": codes}}},
                "examples": {
                    f"{number}-{refusal.error}": {"value": shape(refusal)}
                    for number, refusal in enumerate(refusals, 1)
                },
            }
        },
    }
    names = {name for refusal in refusals for name, _ in refusal.headers}
    if names:
        described["headers"] = {name: {"schema": {"type": "string"}} for name in sorted(names)}
    return described


def _either(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two responses of a status, which OpenAPI describes as one."""
    content = dict(one["content"])
    for media_type, it in other["content"].items():
        if media_type not in content:
            content[media_type] = it
            continue
        first = content[media_type]
        content[media_type] = {
            "schema": {"anyOf": [first["schema"], it["schema"]]},
            "examples": {"0": {"value": first["example"]}, **it["examples"]},
        }
    description = f"{one['description']}; or {other['description']}"
    return one | other | {"description": description, "content": content}


def _common_name(shape: Any, refusal: Refusal) -> str:  # noqa: ANN401
    return f"{_SHAPES[shape][0].__name__}{refusal.status}"


def _common_responses(schemas: _Schemas) -> dict[str, dict[str, object]]:
    """What any operation may answer, and what is answered before there is one."""
    responses = {
        _common_name(shape, refusal): _refused([refusal], shape, schemas)
        for shape in _SHAPES
        for refusal in _ANYWHERE
    }
    for name, text in _BEFORE.values():
        responses[name] = _refused([OAuthError(text)], oauth_body, schemas)
    return responses
