"""The document is OpenAPI 3.1, its examples are what it says, and it names every refusal."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import pytest
import schemathesis

from api.openapi.document import VERSION
from tests.support.description import closed, described

ROOT = Path(__file__).parents[3]


DOCUMENT = described()
OPERATIONS = [
    pytest.param(operation, id=f"{method.upper()} {path}")
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]


class Example(NamedTuple):
    schema: dict[str, Any]
    value: object


def resolved(response: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in response:
        return response
    found: dict[str, Any] = DOCUMENT["components"]["responses"][response["$ref"].split("/")[-1]]
    return found


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for response in operation["responses"].values():
        yield from resolved(response).get("content", {}).values()
    yield from operation.get("requestBody", {}).get("content", {}).values()


def examples(operation: dict[str, Any]) -> Iterator[Example]:
    for content in contents(operation):
        if "example" in content:
            yield Example(content["schema"], content["example"])
        for example in content.get("examples", {}).values():
            yield Example(content["schema"], example["value"])
    for parameter in operation.get("parameters", []):
        if "example" in parameter:
            yield Example(parameter["schema"], parameter["example"])


def check(example: Example) -> None:
    whole = {**closed(example.schema), "components": closed(DOCUMENT["components"])}
    jsonschema_rs.validator_for(whole).validate(example.value)


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_it_is_json_and_the_same_each_time() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT == described()


def test_it_is_of_the_projects_version() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_examples_of_an_operation_are_of_its_schemas(operation: dict[str, Any]) -> None:
    for example in examples(operation):
        check(example)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_an_operation_takes_and_answers_has_an_example(operation: dict[str, Any]) -> None:
    for content in contents(operation):
        is_free = content["schema"].get("type") in {"string", "object"}

        assert is_free or "example" in content or "examples" in content


def test_an_example_with_a_member_that_is_not_described_would_be_noticed() -> None:
    schema = {"$ref": "#/components/schemas/Health"}

    check(Example(schema, {"status": "alive"}))
    with pytest.raises(jsonschema_rs.ValidationError):
        check(Example(schema, {"status": "alive", "since": 1}))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_says_how_it_refuses_when_it_is_busy_or_broken(
    operation: dict[str, Any],
) -> None:
    assert operation["responses"].keys() >= {"408", "413", "431", "500", "503"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_refusal_has_one_of_the_codes_that_are_named(operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        for media_type, content in resolved(response).get("content", {}).items():
            if status >= "400" and media_type == "application/json":
                of_an_operation = content["schema"].get("anyOf", [content["schema"]])[-1]
                [(_, of_code)] = of_an_operation["properties"].items()

                assert of_code["enum"]
                assert len(content["examples"]) >= len(of_code["enum"])


def test_operations_are_told_apart() -> None:
    names = [operation.values[0]["operationId"] for operation in OPERATIONS]  # type: ignore[index]

    assert len(set(names)) == len(names) >= 40


def test_no_secret_of_a_record_is_described() -> None:
    shown = DOCUMENT["components"]["schemas"]["ShownClient"]["properties"]

    assert "client_secret" in shown
    assert not {"secret_digest", "secret_sealed", "registration"} & shown.keys()
