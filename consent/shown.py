"""
What a person was shown, as one number: what a device signs beside its answer, and what a receipt
is checked against.

Shown is the object that the Consent API answers with (`consent.prompt`). Its canonical form is
JCS (RFC 8785), which any language that writes numbers as ECMAScript does can make again from the
parsed JSON.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785
from rfc8785 import CanonicalizationError

from consent.identifiers import b64url

__all__ = ["DIGEST", "INTEGER_MAX", "CanonicalizationError", "consent_digest"]

DIGEST = "consent_digest"
INTEGER_MAX = 2**53 - 1  # RFC 8785 3.2.2.3, RFC 7493 2.2: what every phone holds exactly


def consent_digest(shown: Mapping[str, Any]) -> str:
    """
    base64url(SHA-256(JCS(shown))) of what was shown, without this digest itself.

    Whole numbers beyond INTEGER_MAX were refused when they were asked with. Raises
    CanonicalizationError for them, and for what JSON cannot say.
    """
    covered = {name: value for name, value in shown.items() if name != DIGEST}
    return b64url(hashlib.sha256(rfc8785.dumps(covered)).digest())
