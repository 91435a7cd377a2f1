"""The audit trail: proving it whole, taking it elsewhere, looking at what happens."""

import asyncio
import json as json_module
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, NamedTuple

import msgspec
import typer

from consent.audit import chain
from consent.audit.chain import ANCHOR, END, GENESIS, Head, Verdict, Verifier
from consent.management.logs import span_of
from consent.seal import Seal
from consent.settings import load
from consent.store.audit import Audit, LogState
from scripts.administration.installation import AdministrationError, known_secret_key, reached
from scripts.administration.output import Columns, Json, Record, as_json

app = typer.Typer(
    help="What happened, each record chained to the one before by its hash.", no_args_is_help=True
)
READ_AT_ONCE = 1_000
FOLLOW_SECONDS = 1.0

Since = Annotated[
    str, typer.Option("--from", metavar="DATE", help="added to the log then or later (UTC)")
]
Until = Annotated[
    str, typer.Option("--to", metavar="DATE", help="added to the log by then, all of that day")
]


class Log(NamedTuple):
    audit: Audit
    audit_key: bytes


@app.command()
def verify(
    *,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(help="what `export` has printed, - for standard input; needs no Redis"),
    ] = None,
    json: Json = False,
) -> None:
    """
    Prove that no record was changed, removed, added or moved. Exit code 1 if one was.

    \b
      scripts/admin audit verify
      scripts/admin audit verify --file audit.jsonl

    A store that was put back, whole, to what it was before is whole: that shows in an export which
    is kept elsewhere. It ends with a record that the log then does not have.
    """
    verdict, end = _verdict_of_file(file) if file else asyncio.run(_verdict())
    if json:
        print(as_json({"whole": not verdict.fault, **verdict._asdict(), "end": end._asdict()}))
    if verdict.fault:
        raise AdministrationError(f"the audit trail is broken: {_told(verdict)}")
    if not json:
        print(f"whole: {verdict.checked} records; the last is {end.number}, its hash {end.hash}")


@app.command()
def export(*, since: Since = "", until: Until = "") -> None:
    """
    Print the records as JSON lines, and a last line that seals them. `verify --file` checks it.

    \b
      scripts/admin audit export > audit.jsonl
      scripts/admin audit export --from 2026-11-01 --to 2026-11-30 > november.jsonl

    Nothing is sealed that is not whole: a broken trail ends without the last line, and exit code 1.
    """
    span = (_ms(since, 0) if since else 0, _ms(until, 1) if until else None)
    asyncio.run(_export(*span))


@app.command()
def tail(
    *,
    lines: Annotated[int, typer.Option(min=1, max=1_000, help="how many of the newest")] = 20,
    follow: Annotated[bool, typer.Option("--follow", help="go on until Ctrl-C")] = False,
    json: Annotated[bool, typer.Option("--json", help="print JSON lines")] = False,
) -> None:
    """The newest records, the newest last."""
    try:
        asyncio.run(_tail(lines, follow=follow, json=json))
    except KeyboardInterrupt:
        return


@asynccontextmanager
async def opened() -> AsyncIterator[Log]:
    async with reached(os.environ) as (settings, redis):
        yield Log(Audit(redis, settings.partitions), Seal(settings.secret_key).audit_key)


async def _verdict() -> tuple[Verdict, Head]:
    async with opened() as log:
        while True:
            # Read before the end is: what is beyond that was not put there by a worker.
            last = await log.audit.last_number()
            state = await log.audit.state()
            verifier = Verifier(state.anchor)
            async for stored in _records(log.audit, state.anchor.number + 1, state.end.number):
                verifier.see(stored)
            verdict = await _forgery(log, state) or verifier.verdict(state.end)
            if not verdict.fault and last > state.end.number:
                return Verdict(verdict.checked, "is after the end", state.end.number + 1), state.end
            if not verdict.fault or (await log.audit.state()).anchor == state.anchor:
                return verdict, state.end
            # Retention has cut what was being read.


async def _forgery(log: Log, state: LogState) -> Verdict | None:
    """What is wrong with the seals, by which all else is judged."""
    if state.end == GENESIS and await log.audit.is_gone():
        return Verdict(0, "the log has begun before, and is gone")
    for what, head, mac in (
        (END, state.end, state.end_mac),
        (ANCHOR, state.anchor, state.anchor_mac),
    ):
        if head != GENESIS and not chain.is_sealed(log.audit_key, what, head, mac):
            return Verdict(0, f"the {what} of the log is forged: it has no seal of this key")
    return None


async def _records(audit: Audit, first: int, last: int) -> AsyncIterator[bytes]:
    for begin in range(first, last + 1, READ_AT_ONCE):
        for stored in await audit.records(begin, min(begin + READ_AT_ONCE - 1, last)):
            yield stored


async def _export(since_ms: int, until_ms: int | None) -> None:
    """
    Reads to the end of the log: the last records, even if they are not wanted, vouch for the
    others.
    """
    async with opened() as log:
        state = await log.audit.state()
        first = max(await log.audit.first_since(since_ms), state.anchor.number + 1)
        first = min(first, state.end.number + 1)
        beyond = state.end.number + 1
        if until_ms is not None:
            beyond = min(beyond, await log.audit.first_since(until_ms + 1))
        last = max(beyond - 1, first - 1)
        if forgery := await _forgery(log, state):
            raise AdministrationError(f"the audit trail is broken: {_told(forgery)}")
        after = end = await _before(log.audit, first, state)
        verifier = Verifier(after)
        async for stored in _records(log.audit, first, state.end.number):
            verifier.see(stored)
            members = chain.members_of(stored)
            if members is not None and members["n"] <= last:
                _print(stored)
                end = Head(members["n"], members["hash"])
        verdict = verifier.verdict(state.end)
        if verdict.fault and (await log.audit.state()).anchor != state.anchor:
            raise AdministrationError("old records were cut while they were exported: try again")
    if verdict.fault:
        raise AdministrationError(f"the audit trail is broken: {_told(verdict)}")
    mac = chain.seal(log.audit_key, chain.export_after(after), end)
    _print(_Export(_Sealed(after.number, after.hash), _Sealed(end.number, end.hash), mac).line())


async def _before(audit: Audit, first: int, state: LogState) -> Head:
    """The record that an export follows, by what its first one says of it."""
    if first == state.anchor.number + 1:
        return state.anchor
    if first == state.end.number + 1:
        return state.end
    members = chain.members_of(await audit.record(first) or b"")
    return Head(first - 1, members["previous"] if members else "")


class _Sealed(msgspec.Struct, frozen=True):
    number: int
    hash: str


class _Export(msgspec.Struct, frozen=True):
    """The last line of an export."""

    after: _Sealed
    end: _Sealed
    mac: str

    def line(self) -> bytes:
        return msgspec.json.encode({"export": self})


class _LastLine(msgspec.Struct, frozen=True):
    export: _Export


def _verdict_of_file(lines: Iterable[bytes]) -> tuple[Verdict, Head]:
    """One line after the other, for the file may be larger than the memory."""
    audit_key = Seal(known_secret_key(load(os.environ))).audit_key
    start, verifier, last = None, Verifier(GENESIS), b""
    for number, line in enumerate(lines):
        if number == 1:
            first = chain.members_of(last)
            start = Head(first["n"] - 1, first["previous"]) if first else GENESIS
            verifier = Verifier(start)
        if number:
            verifier.see(last)
        last = line.removesuffix(b"\n")
    try:
        sealed = msgspec.json.decode(last, type=_LastLine).export
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Verdict(0, "the file does not end with the seal of an export"), GENESIS
    after = Head(sealed.after.number, sealed.after.hash)
    end = Head(sealed.end.number, sealed.end.hash)
    if not chain.is_sealed(audit_key, chain.export_after(after), end, sealed.mac):
        return Verdict(0, "the seal of the export is forged, or of another installation"), end
    if start is None:  # there is nothing between
        verifier = Verifier(after)
    elif start != after:
        return Verdict(0, "is missing, or was changed", after.number + 1), end
    return verifier.verdict(end), end


async def _tail(count: int, *, follow: bool, json: bool) -> None:
    columns = Columns("description")
    async with opened() as log:
        state = await log.audit.state()
        shown = max(state.end.number - count, state.anchor.number)
        while True:
            end = (await log.audit.state()).end.number
            found = [it async for it in _records(log.audit, shown + 1, end)]
            if json:
                for stored in found:
                    print(json_module.dumps(msgspec.json.decode(stored)), flush=True)
            else:
                for line in columns.lines([_row(msgspec.json.decode(it)) for it in found]):
                    print(line, flush=True)
            shown = max(shown, end)
            if not follow:
                return
            await asyncio.sleep(FOLLOW_SECONDS)


def _row(record: Record) -> Record:
    names = ("date", "type", "client_id", "user_id", "description")
    return {name: record.get(name) for name in names}


def _told(verdict: Verdict) -> str:
    return f"record {verdict.number} {verdict.fault}" if verdict.number else verdict.fault


def _ms(text: str, which: int) -> int:
    """The first or the last millisecond of a date. Raises AdministrationError."""
    span = span_of(text)
    if span is None:
        raise AdministrationError("a date is written as 2026-11-21 or 2026-11-21T10:00:00Z")
    return span[which]


def _print(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
