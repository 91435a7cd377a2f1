"""The house is as its drawing says: every module tested, every rule of imports kept, and so on."""

import ast
import dataclasses
import importlib
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from consent import jobs
from consent.lifecycle import diagram
from consent.settings import Settings
from consent.store.scripts import SOURCES
from scripts import readme

ROOT = Path(__file__).parent.parent
PACKAGES = ("api", "consent", "workers")
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
)
CODE = [name for name in MODULES if not name.endswith("__init__.py")]
LUA = sorted((ROOT / "consent/store").glob("*.lua"))
README = (ROOT / "README.md").read_text()
LINES_MAX = 300

# Modules whose promises are about whole requests and whole processes, and where those are kept.
# A module that gets a test of its own leaves this table.
_FLOW = "tests/flows/test_poll.py"
_BAD_INPUT = "tests/flows/test_bad_input.py"
TESTED_ELSEWHERE = {
    "api/__main__.py": _FLOW,  # the process that every flow talks to
    "api/app.py": _BAD_INPUT,  # which path is whose, and in which shape it refuses
    "api/backchannel_authentication.py": _FLOW,
    "api/ciba_grant.py": _FLOW,
    "api/device_api.py": _FLOW,
    "api/device_authentication.py": _FLOW,
    "api/doorbell.py": "tests/workers/test_jobs.py",  # what it writes is what a worker reads
    # Tables, which the test of the document they make reads whole.
    "api/openapi/answers.py": "tests/api/openapi/test_document.py",
    "api/openapi/applications.py": "tests/api/openapi/test_document.py",
    "api/openapi/authenticator.py": "tests/api/openapi/test_document.py",
    "api/openapi/devices.py": "tests/api/openapi/test_document.py",
    "api/openapi/guardian.py": "tests/api/openapi/test_document.py",
    "api/openapi/installation.py": "tests/api/openapi/test_document.py",
    "api/openapi/management.py": "tests/api/openapi/test_document.py",
    "api/openapi/people.py": "tests/api/openapi/test_document.py",
    "api/openapi/protocol.py": "tests/api/openapi/test_document.py",
    "api/openapi/public.py": "tests/api/openapi/test_document.py",
    "api/openapi/records.py": "tests/api/openapi/test_document.py",
    "api/openapi/registration.py": "tests/api/openapi/test_document.py",
    "api/openapi/security.py": "tests/api/openapi/test_document.py",
    "api/public.py": _FLOW,
    "api/refresh_token_grant.py": "tests/flows/test_tokens.py",
    "api/rich_consents.py": _FLOW,
    "api/sender_constraint.py": "tests/flows/test_dpop.py",
    "api/services.py": _FLOW,  # what that process opens
    "api/token.py": _FLOW,
    "consent/store/hint_index.py": "tests/consent/store/test_people.py",
    "consent/store/notifications.py": "tests/consent/store/test_consents.py",
    "consent/store/opening.py": "tests/consent/store/test_consents.py",  # opens every store there
    "workers/__main__.py": _FLOW,
}

# Who may speak to the world, by the first name of what is imported.
OUTSIDE = {
    "redis",
    "hiredis",
    "rq",
    "starlette",
    "uvicorn",
    "httpx2",
    "aiohttp",
    "aiosmtplib",
    "pyfcm",
}
CLOCKS_AND_IO = {
    "time",
    "os",
    "asyncio",
    "socket",
    "threading",
    "subprocess",
    "random",
    "requests",
    "urllib3",
}


def imported(name: str) -> Iterator[str]:
    """The full names a module imports, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def roots(name: str) -> set[str]:
    return {full.partition(".")[0] for full in imported(name)}


def twin(name: str) -> str:
    """Where a module's test is, unless it is elsewhere."""
    module = Path(name)
    return f"tests/{module.parent}/test_{module.name}"


@pytest.mark.parametrize("name", CODE)
def test_a_module_has_its_test_at_the_same_path(name: str) -> None:
    path = TESTED_ELSEWHERE.get(name, twin(name))

    assert (ROOT / path).is_file(), f"{name} has no {path}"


def test_the_table_of_exceptions_has_none_too_many() -> None:
    for name in TESTED_ELSEWHERE:
        assert name in CODE
        assert not (ROOT / twin(name)).exists(), f"{name} has its own test now: strike it out"


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("consent/")])
def test_the_domain_does_no_io_and_reads_no_clock(name: str) -> None:
    """Pure but for its store, which speaks Redis, and its way out to the URLs clients name."""
    used = roots(name)
    if name.startswith("consent/store/"):
        assert not used & (OUTSIDE - {"redis", "hiredis"})
        return
    if name.startswith("consent/outbound/"):
        assert not used & (OUTSIDE - {"aiohttp"})
        return
    assert not used & (OUTSIDE | CLOCKS_AND_IO)
    assert not any(full.startswith("consent.store") for full in imported(name))
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"now", "utcnow", "today"}, f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", MODULES)
def test_packages_lean_on_the_domain_and_never_on_each_other(name: str) -> None:
    package = name.partition("/")[0]

    assert roots(name) & {"api", "workers", "scripts", "tests"} <= {package}


def test_rq_is_boxed_in() -> None:
    """Who builds a job, and who runs one."""
    speakers = {name for name in MODULES if "rq" in roots(name)}

    assert speakers == {"api/doorbell.py", "workers/__main__.py", "workers/jobs.py"}


@pytest.mark.parametrize("name", MODULES)
def test_a_long_module_says_why(name: str) -> None:
    text = (ROOT / name).read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""

    assert len(text.splitlines()) <= LINES_MAX or f"More than {LINES_MAX} lines" in docstring


@pytest.mark.parametrize("name", CODE)
def test_a_module_begins_by_saying_what_it_is(name: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / name).read_text()))


def part(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)
    assert found, f"README.md has no part {name}"
    return found[1]


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_a_setting_has_its_line_in_the_readme(field: dataclasses.Field[object]) -> None:
    [line] = [
        line
        for line in part("settings").splitlines()
        if line.startswith(f"| `NOD_{field.name.upper()}` |")
    ]

    assert line.endswith(f"| {field.metadata['help']} |")


def test_the_readme_knows_no_setting_that_is_none() -> None:
    variables = {f"NOD_{field.name.upper()}" for field in dataclasses.fields(Settings)}

    assert set(re.findall(r"^\| `(NOD_\w+)`", part("settings"), re.MULTILINE)) == variables
    assert set(re.findall(r"NOD_[A-Z_]*[A-Z]\b", README)) <= variables


def test_the_readme_shows_the_life_cycle_as_it_is() -> None:
    assert part("lifecycle") == f"```mermaid\n{diagram()}\n```\n"


def test_the_drawn_parts_of_the_readme_are_current() -> None:
    assert readme.drawn(README) == README


def test_a_job_path_resolves() -> None:
    """And is of a module that a worker has loaded."""
    paths = [value for name, value in vars(jobs).items() if str(value).startswith("workers.")]

    assert paths == [jobs.NOTIFY_DEVICE, jobs.CALL_CLIENT]
    for path in paths:
        module, _, function = path.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))


# Below these, a published hole is open (CVE-2026-48710, 54283, 48526, 48522, 32597, 53539, 27962,
# 2023-28859, 2025-43859, 2020-7694) or a promise of the store does not hold.
FLOORS = {
    "starlette": "1.3.1",
    "uvicorn": "0.54",
    "h11": "0.16",
    "pyjwt": "2.15",
    "cryptography": "50",
    "redis": "8.1",
    "rq": "2.12",
    "python-multipart": "0.0.31",
}
FLOORS_IF_INSTALLED = {"authlib": "1.6.11", "joserfc": "1.7.4"}


@pytest.mark.parametrize(("library", "floor"), FLOORS.items())
def test_a_library_is_above_its_published_holes(library: str, floor: str) -> None:
    assert Version(importlib.metadata.version(library)) >= Version(floor)


@pytest.mark.parametrize(("library", "floor"), FLOORS_IF_INSTALLED.items())
def test_a_library_we_do_without_is_harmless_where_it_is(library: str, floor: str) -> None:
    installed = {
        distribution.metadata["Name"].lower(): distribution.version
        for distribution in importlib.metadata.distributions()
    }

    assert Version(installed.get(library, floor)) >= Version(floor)


def test_what_is_installed_is_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [Requirement(text) for text in project["dependencies"]]
    checked = [it for it in asked if it.marker is None or it.marker.evaluate()]

    assert len(checked) >= 15, "a check that checks nothing is green"
    for it in checked:
        assert it.specifier.contains(importlib.metadata.version(it.name)), it.name


def test_the_project_asks_for_no_less_than_the_floors() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = {
        Requirement(text).name: next(
            spec.version for spec in Requirement(text).specifier if spec.operator == ">="
        )
        for text in project["dependencies"]
    }

    for library, floor in FLOORS.items():
        if library in least:
            assert Version(least[library]) >= Version(floor), library


def header(path: Path) -> str:
    """The comment a script begins with."""
    lines = path.read_text().splitlines()
    length = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(lines[:length])


@pytest.mark.parametrize(
    "path", [path for path in LUA if path.stem != "prelude"], ids=lambda path: path.stem
)
def test_a_script_has_a_written_contract(path: Path) -> None:
    """Purpose, KEYS, ARGV and Reply; every key and argument it reads is named in it."""
    contract = header(path)
    body = path.read_text().removeprefix(contract)

    assert re.match(r"-- [A-Z].+\.", contract.replace("\n--", "")), "its purpose comes first"
    assert "\n-- KEYS " in contract
    assert "\n-- Reply " in contract
    for kind in ("KEYS", "ARGV"):
        block = re.search(rf"-- {kind} (.*?)(?=\n-- [A-Z]|\Z)", contract, re.DOTALL)
        read = {int(number) for number in re.findall(rf"{kind}\[(\d+)\]", body)}
        told = {int(n) for n in re.findall(r"(?:^|\s)(\d+) ", block[1] if block else "")}
        assert read <= told, f"{kind} {sorted(read - told)} is not in the header"


def called_scripts() -> set[str]:
    """The scripts run by name from the store."""
    return {
        node.args[0].value
        for path in (ROOT / "consent/store").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_every_script_has_a_caller_and_every_caller_its_script() -> None:
    assert called_scripts() == SOURCES.keys()
