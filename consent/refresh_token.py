"""
Refresh tokens, as text: the approval they come from, their generation, and our MAC of both.

Nothing of one is stored, and the same generation is always the same text: a redemption, or a
rotation whose answer was lost, gives it again. Whether it still counts is decided in Redis.
"""

import hmac
import re

from consent.identifiers import is_consent_id
from consent.seal import Seal

# 46 characters of approval, a generation without leading zeros, 43 characters of MAC.
_IS_REFRESH_TOKEN = re.compile(
    r"([A-Za-z0-9_-]{46})\.(0|[1-9][0-9]{0,8})\.([A-Za-z0-9_-]{43})"
).fullmatch


def refresh_token(seal: Seal, consent_id: str, generation: int) -> str:
    return f"{consent_id}.{generation}.{seal.refresh_token_mac(consent_id, generation)}"


def opened(seal: Seal, text: str) -> tuple[str, int] | None:
    """The consent_id and generation of a refresh token of ours, None for any other text."""
    match = _IS_REFRESH_TOKEN(text)
    if match is None or not is_consent_id(match[1]):
        return None
    consent_id, generation = match[1], int(match[2])
    if not hmac.compare_digest(match[3], seal.refresh_token_mac(consent_id, generation)):
        return None
    return consent_id, generation
