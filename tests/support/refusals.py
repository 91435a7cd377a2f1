"""A refusal of the wire, as every one of them must be."""

import httpx2

from tests.support.domain import ERROR_CHARACTERS

Refused = tuple[int, str, str]


def refusal_of(answer: httpx2.Response, *sent: str) -> Refused:
    """
    Status, error and description of an OAuth error: JSON that no cache keeps, with no other member
    (A100), in the characters allowed and with nothing of what was `sent` (A101).
    """
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert body.keys() == {"error", "error_description"}, answer.text
    description = str(body["error_description"])
    assert description
    assert ERROR_CHARACTERS.issuperset(description)
    for text in filter(None, sent):
        assert text not in description
    return answer.status_code, str(body["error"]), description
