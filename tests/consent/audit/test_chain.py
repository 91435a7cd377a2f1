"""The chain of the log: whatever is done to it by others shows, and what and where."""

import hashlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.audit import chain
from consent.audit.chain import ANCHOR, END, GENESIS, Head, Verdict, Verifier, verify
from consent.identifiers import b64url

KEY = b"k" * 32
COUNT = 6


def chained(texts: list[str], start: Head = GENESIS) -> tuple[list[bytes], Head]:
    records, head = [], start
    for text in texts:
        stored, head = chain.chained(head, {"type": "sapi", "details": {"b": 1, "a": text}})
        records.append(stored)
    return records, head


RECORDS, HEAD = chained([f"event {n}" for n in range(COUNT)])


def judged(records: list[bytes], end: Head = HEAD) -> Verdict:
    return verify(records, start=GENESIS, end=end)


def changed(stored: bytes, *, rehashed: bool = False, **members: object) -> bytes:
    """The record with other members, and a hash that fits them where one can be made."""
    said = msgspec.json.decode(stored) | members
    if rehashed:
        said["hash"] = chain.hash_of({name: said[name] for name in said if name != "hash"})
    return chain.canonical(said)


def test_an_untouched_log_is_whole() -> None:
    assert judged(RECORDS) == Verdict(COUNT)
    assert verify([], start=GENESIS, end=GENESIS) == Verdict(0)


def test_the_hash_is_sha_256_over_the_other_members_sorted() -> None:
    """So that anybody can do the sum."""
    [record, *_] = RECORDS
    members = json.loads(record)
    own = members.pop("hash")
    text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert own == b64url(hashlib.sha256(text.encode()).digest())
    assert members["previous"] == ""
    assert json.loads(RECORDS[1])["previous"] == own


@pytest.mark.parametrize("index", range(COUNT))
def test_a_changed_record_shows_wherever_it_is(index: int) -> None:
    plainly, cleverly = list(RECORDS), list(RECORDS)
    plainly[index] = changed(RECORDS[index], type="other")
    cleverly[index] = changed(RECORDS[index], rehashed=True, type="other")

    assert judged(plainly) == Verdict(index, "was changed", index + 1)
    found = judged(cleverly)  # its own hash is right, and nothing follows it any more
    assert found.fault
    assert found.number in {index + 1, index + 2}


@pytest.mark.parametrize("index", range(COUNT - 1))
def test_a_missing_record_shows(index: int) -> None:
    records = [*RECORDS[:index], *RECORDS[index + 1 :]]

    assert judged(records) == Verdict(index, "is missing", index + 1)


@pytest.mark.parametrize("left", range(COUNT))
def test_an_end_that_was_cut_off_shows(left: int) -> None:
    assert judged(RECORDS[:left]) == Verdict(left, "is missing, and all after it", left + 1)


@pytest.mark.parametrize("index", range(COUNT - 1))
def test_two_records_that_changed_places_show(index: int) -> None:
    records = list(RECORDS)
    records[index], records[index + 1] = records[index + 1], records[index]

    assert judged(records) == Verdict(index, "is not in its place", index + 1)


def test_a_record_that_stands_twice_shows() -> None:
    assert judged([*RECORDS[:2], *RECORDS[1:]]).fault == "is not in its place"


def test_what_was_added_after_the_end_shows() -> None:
    more, _ = chained(["forged"], HEAD)

    assert judged([*RECORDS, *more]) == Verdict(COUNT + 1, "is after the end", COUNT + 1)
    assert judged([*RECORDS, b"{}"]) == Verdict(COUNT, "is after the end", COUNT + 1)


def test_a_chain_that_was_made_anew_shows() -> None:
    """Every hash fits; the end is another one than was sealed."""
    forged, _ = chained([f"forged {n}" for n in range(COUNT)])

    assert judged(forged) == Verdict(COUNT, "is not the one that the end names", COUNT)
    middle, _ = chained(["forged"], Head(2, chain.members_of(RECORDS[1])["hash"]))  # type: ignore[index]
    assert judged([*RECORDS[:2], *middle, *RECORDS[3:]]).number == 4


def test_the_first_record_must_follow_the_start() -> None:
    after = Head(2, json.loads(RECORDS[1])["hash"])

    assert verify(RECORDS[2:], start=after, end=HEAD) == Verdict(COUNT - 2)
    assert verify(RECORDS[2:], start=Head(2, "x" * 43), end=HEAD).number == 3
    assert verify(RECORDS[2:], start=GENESIS, end=HEAD) == Verdict(0, "is missing", 1)


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'"' * 9,
        b"[" * 100_000,
        b'{"n":1}',
        b'{"hash":"","n":true,"previous":""}',
        b'{"hash":"","n":"1","previous":""}',
        b'{"hash":1,"n":1,"previous":""}',
        b'{"hash":"\\ud800","n":1,"previous":""}',
        b'{"hash":"","n":1' + b"0" * 5_000 + b',"previous":""}',
        RECORDS[0] + b" ",
        RECORDS[0].replace(b'"n":1', b'"n": 1'),
        RECORDS[0].replace(b'"n":1', b'"n":1,"n":1'),
        RECORDS[0].replace(b'"type":"sapi"', b'"type":"shown","type":"sapi"'),
    ],
)
def test_what_is_written_otherwise_is_no_record(stored: bytes) -> None:
    """Or two readers could be shown two different things under one hash."""
    assert judged([stored, *RECORDS[1:]]) == Verdict(0, "was changed: it is no record", 1)


@given(st.binary(max_size=200))
def test_any_octets_are_a_fault_and_nothing_worse(octets: bytes) -> None:
    assert judged([octets, *RECORDS[1:]]).fault


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(_JSON)
def test_whatever_an_event_says_its_record_is_read_back(value: object) -> None:
    stored, head = chain.chained(GENESIS, {"details": {"value": value}})

    assert verify([stored], start=GENESIS, end=head) == Verdict(1)


@given(st.integers(0, COUNT - 1), st.data())
def test_no_octet_of_a_record_can_be_another(index: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(RECORDS[index]) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda it: it != RECORDS[index][place]))
    stored = RECORDS[index][:place] + bytes([octet]) + RECORDS[index][place + 1 :]

    assert judged([*RECORDS[:index], stored, *RECORDS[index + 1 :]]).fault


def test_a_seal_is_of_one_record_one_key_and_one_use() -> None:
    mac = chain.seal(KEY, END, HEAD)

    assert chain.is_sealed(KEY, END, HEAD, mac)
    assert not chain.is_sealed(b"another key" * 3, END, HEAD, mac)
    assert not chain.is_sealed(KEY, ANCHOR, HEAD, mac)
    assert not chain.is_sealed(KEY, END, HEAD._replace(number=COUNT + 1), mac)
    assert not chain.is_sealed(KEY, END, HEAD._replace(hash="x" * 43), mac)
    for forged in ("", "x", "\ud800", mac + "=", "é" * 43):
        assert not chain.is_sealed(KEY, END, HEAD, forged)


def test_a_log_id_names_its_record() -> None:
    ids = [chain.log_id(number) for number in (1, 9, 10, 2**53)]

    assert ids == sorted(ids)
    assert [chain.number_of(it) for it in ids] == [1, 9, 10, 2**53]
    for text in ("", "1", "x" * 20, "-" + "1" * 19, "1" * 21, "\uff11" * 20, "1" * 20 + "\n"):
        assert chain.number_of(text) is None


def test_a_verifier_says_how_many_it_has_seen() -> None:
    verifier = Verifier(GENESIS)
    for record in RECORDS[:2]:
        verifier.see(record)

    assert verifier.verdict(Head(2, json.loads(RECORDS[1])["hash"])).checked == 2
