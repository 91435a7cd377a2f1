"""The assessment of cross-device risks (RFC 10027 2, A190) is true: each measure has its test."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "cross-device-risks.md"
TEXT = PAGE.read_text()
RISKS = {
    title: text
    for title, _, text in (part.partition("\n") for part in TEXT.split("\n## ")[1:])
    if title != "What is left"
}
LINKS = re.findall(r"\[(\w+)\]\(([^)]+)\)", TEXT)


def measures(text: str) -> list[str]:
    """The items of the list of a risk, each with its lines."""
    return [item.partition("\n\n")[0] for item in text.split("\n- ")[1:]]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("name", "target"), sorted(set(LINKS)))
def test_a_link_leads_to_a_test_that_is_there(name: str, target: str) -> None:
    path = (PAGE.parent / target).resolve()

    assert path.is_relative_to(ROOT / "tests")
    assert path.is_file(), target
    assert name.startswith("test_")
    assert name in functions(path), f"{target} has no {name}"


@pytest.mark.parametrize("risk", RISKS)
def test_a_risk_is_weighed_and_each_of_its_measures_has_a_test(risk: str) -> None:
    text = RISKS[risk]

    assert re.match(r"\n\*\*(Likely|Possible|Rare)\*\*, \*\*(small|severe)\.\*\* \w", text)
    assert measures(text)
    for measure in measures(text):
        assert re.search(r"\w.*: ?\s*\[test_\w+\]\(", measure, re.DOTALL), measure


@pytest.mark.parametrize(
    "requirement", ["A190", "A191", "A192", "A193", "A194", "T1", "T31", "T34", "T35", "T36", "T44"]
)
def test_a_requirement_about_two_devices_is_answered(requirement: str) -> None:
    assert re.search(rf"\b{requirement}\b", TEXT)


def test_the_readme_leads_to_it() -> None:
    assert "(docs/cross-device-risks.md)" in (ROOT / "README.md").read_text()
