"""
The chain of the log: each record holds the hash of the one before it, and its end is sealed.

Who can write the store can change what stands in it, but not unseen: a record that is changed,
missing or moved breaks the chain, and the end of the chain has a MAC under a key that is not in
the store. What nobody can see from within is a log put back, with its seal, to what it was before;
an export kept elsewhere shows it.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from consent.identifiers import b64url

_LOG_ID_DIGITS = 20
_IS_LOG_ID = re.compile(rf"[0-9]{{{_LOG_ID_DIGITS}}}", re.ASCII).fullmatch


class Head(NamedTuple):
    """A record of the chain by its number, from 1, and its hash: what the next one follows."""

    number: int
    hash: str


GENESIS = Head(0, "")
END, ANCHOR = "end", "anchor"  # what is sealed: the last record, and the last that retention cut


def export_after(head: Head) -> str:
    """What an export is sealed as: the records after this one, up to the one the seal is of."""
    return f"export {head.number} {head.hash}"


class Verdict(NamedTuple):
    """`fault` is empty where all is whole; else it says what is wrong first, and `number` where."""

    checked: int
    fault: str = ""
    number: int = 0


def log_id(number: int) -> str:
    """Ids in the order of the log; they name the record without an index."""
    return f"{number:0{_LOG_ID_DIGITS}d}"


def number_of(text: str) -> int | None:
    """The number of the record that has this log_id, None when no record can have it."""
    return int(text) if _IS_LOG_ID(text) else None


def canonical(members: Mapping[str, object]) -> bytes:
    """JSON that is the same for the same members: sorted, without spaces, UTF-8."""
    return msgspec.json.encode(members, order="deterministic")


def chained(head: Head, members: Mapping[str, object]) -> tuple[bytes, Head]:
    """The record that follows `head`: its hash is over all the others of its members."""
    number = head.number + 1
    said = {**members, "log_id": log_id(number), "n": number, "previous": head.hash}
    own = hash_of(said)
    return canonical({**said, "hash": own}), Head(number, own)


def hash_of(said: Mapping[str, object]) -> str:
    """base64url(SHA-256) of a record without its member `hash`; `previous` is among the others."""
    return b64url(hashlib.sha256(canonical(said)).digest())


def seal(audit_key: bytes, what: str, head: Head) -> str:
    """What only this installation can say of a record: that it is the end, or the anchor."""
    return b64url(hmac.digest(audit_key, f"{what} {head.number} {head.hash}".encode(), "sha256"))


def is_sealed(audit_key: bytes, what: str, head: Head, mac: str) -> bool:
    wanted = seal(audit_key, what, head).encode()
    return hmac.compare_digest(wanted, mac.encode(errors="replace"))


class Verifier:
    """Sees the records one after the other, from the one after `start`; keeps the first fault."""

    def __init__(self, start: Head) -> None:
        self._last = start
        self._checked = 0
        self._fault: Verdict | None = None

    def see(self, stored: bytes) -> None:
        """The next record, as it is stored."""
        members = members_of(stored)
        if self._fault is not None:
            self._see_again(members)
            return
        wanted = self._last.number + 1
        if members is None:
            self._found("was changed: it is no record", wanted)
        elif members["n"] != wanted:
            # Where it belongs another one stands: it may still come.
            self._found("is missing", wanted)
        elif (
            hash_of({name: members[name] for name in members if name != "hash"})
            != (members["hash"])
        ):
            self._found("was changed", wanted)
        elif members["previous"] != self._last.hash:
            self._found("does not follow the one before it: one of both was changed", wanted)
        else:
            self._last = Head(wanted, members["hash"])
            self._checked += 1

    def _see_again(self, members: dict[str, Any] | None) -> None:
        fault = self._fault
        if fault and fault.fault == "is missing" and members and members["n"] == fault.number:
            self._fault = fault._replace(fault="is not in its place")

    def _found(self, fault: str, number: int) -> None:
        self._fault = Verdict(self._checked, fault, number)

    def verdict(self, end: Head) -> Verdict:
        """Of all records seen, where `end` is the last one there is to be."""
        last, checked = self._last, self._checked
        if self._fault is not None:
            is_after = self._fault.number > end.number
            return self._fault._replace(fault="is after the end") if is_after else self._fault
        if last.number < end.number:
            return Verdict(checked, "is missing, and all after it", last.number + 1)
        if last.number > end.number:
            return Verdict(checked, "is after the end", end.number + 1)
        if last.hash != end.hash:
            return Verdict(checked, "is not the one that the end names", end.number)
        return Verdict(checked)


def verify(records: Iterable[bytes], *, start: Head, end: Head) -> Verdict:
    """What became of the records after `start`, up to `end`, both taken from a seal."""
    verifier = Verifier(start)
    for stored in records:
        verifier.see(stored)
    return verifier.verdict(end)


def members_of(stored: bytes) -> dict[str, Any] | None:
    """
    None for what is no record, or one written otherwise than this module writes it: two members
    of one name, say, of which another reader would show the other.
    """
    try:
        members = msgspec.json.decode(stored)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(members, dict) or canonical(members) != stored:
        return None
    number, texts = members.get("n"), [members.get(name) for name in ("hash", "previous")]
    is_record = type(number) is int and all(isinstance(text, str) for text in texts)
    return members if is_record else None
