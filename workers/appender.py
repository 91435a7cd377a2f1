"""
Moves events from where they are made into the tenant's log, each record chained to the one before.

Runs in every worker; a lease keeps all but one idle. Nothing rests on it: what two move at once is
added by one of them, for the other's records follow an end that the log no longer has.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog

from consent.audit import chain
from consent.audit.chain import ANCHOR, END, GENESIS, Head, Verifier
from consent.audit.record import NOTHING_KNOWN, Event, Known, act_of, actor_of, record
from consent.client import Client
from consent.errors import TemporarilyUnavailable
from consent.store import keys
from consent.store.audit import Audit, LogState
from consent.store.directory import Directory
from consent.transaction import iso_date

log = structlog.get_logger()
PERIOD_SECONDS = 0.5
BATCH_RECORDS = 500
RETENTION_PERIOD_SECONDS = 600
CUT_AT_ONCE = 500
_REFUSED_SECONDS = 30  # before a log that cannot go on is tried, and reported, again
_DAY_MS = 86_400_000


class LogRefusedError(Exception):
    """The log does not go on: what stands at its end is not what was put there."""


async def append_forever(
    *,
    audit: Audit,
    directory: Directory,
    audit_key: bytes,
    issuer: str,
    retention_days: int,
    worker: str,
) -> None:
    """Move what there is, twice a second, and forget what is older than the retention."""
    appender = Appender(audit, directory, audit_key, issuer)
    cut_at, was_holder = 0.0, False
    while True:
        pause: float = PERIOD_SECONDS
        try:
            is_holder = await audit.hold_lease(worker)
            if is_holder and not was_holder:
                await appender.take_over()
            was_holder = is_holder
            if is_holder:
                pause = 0 if await appender.move() else PERIOD_SECONDS
                if time.monotonic() >= cut_at:
                    cut_at = time.monotonic() + RETENTION_PERIOD_SECONDS
                    await appender.cut(retention_days)
        except TemporarilyUnavailable as error:
            log.warning("append_failed", detail=error.detail)
        except LogRefusedError as error:
            log.error("log_refused", reason=str(error))  # noqa: TRY400 - it says where, not how
            pause = _REFUSED_SECONDS
        await asyncio.sleep(pause)


class Appender:
    def __init__(self, audit: Audit, directory: Directory, audit_key: bytes, issuer: str) -> None:
        self._audit = audit
        self._directory = directory
        self._audit_key = audit_key
        self._issuer = issuer

    async def take_over(self) -> None:
        """
        What a worker that ended had still to do: say that the log has begun, and remove what it
        has moved.
        """
        state = await self._audit.state()
        if state.end != GENESIS:
            await self._audit.begin()
        await self._audit.remove_moved(state.moved)

    async def move(self) -> bool:
        """
        Move the events there are; says whether there are more. Raises LogRefusedError, and
        TemporarilyUnavailable.
        """
        state = await self._audit.state()
        await self._check(state)
        unmoved = await self._audit.unmoved(state.moved)
        if unmoved.away:
            log.warning("sources_away", count=unmoved.away)
        end, events = state.end, unmoved.events
        for first in range(0, len(events), BATCH_RECORDS):
            batch = events[first : first + BATCH_RECORDS]
            moved_to = await self._append(end, batch)
            if moved_to is None:
                return True
            end = moved_to
        return not unmoved.is_all

    async def _append(self, end: Head, events: Sequence[Event]) -> Head | None:
        """The end of the log after these events; None when another worker has added to it."""
        follows, records = end, []
        for members in await self._members(events):
            stored, end = chain.chained(end, members)
            records.append(stored)
        moved = {event.source: event.id for event in events}
        outcome = await self._audit.append(
            follows, records, end=end, end_mac=chain.seal(self._audit_key, END, end), moved=moved
        )
        if outcome == "blocked":
            raise LogRefusedError("records stand after its end")
        if outcome == "superseded":
            return None
        if follows == GENESIS:
            await self._audit.begin()
        await self._audit.remove_moved(moved)
        return end

    async def _members(self, events: Sequence[Event]) -> list[dict[str, object]]:
        """Events as records, with what is still known beside them; each thing is read once."""
        acts = [act_of(event) for event in events]
        asked = await self._audit.asked(_ids(events, "consent"))
        # What was asked says who, and of whom: the rest is looked up only without it.
        others = [
            pair
            for pair in zip(events, acts, strict=True)
            if pair[0].fields.get("consent") not in asked
        ]
        users, names = await asyncio.gather(
            self._audit.user_ids(_ids([event for event, _ in others], "person")),
            self._client_names({actor_of(*pair) for pair in others}),
        )
        members = []
        for event, act in zip(events, acts, strict=True):
            known = Known(
                asked.get(event.fields.get("consent", ""), NOTHING_KNOWN.asked),
                users.get(event.fields.get("person", ""), ""),
                names.get(actor_of(event, act), ""),
            )
            members.append(record(event, act, known, issuer=self._issuer))
        return members

    async def _client_names(self, client_ids: set[str]) -> dict[str, str]:
        wanted = sorted(client_ids - {""})
        found = await asyncio.gather(
            *[self._directory.read(keys.CLIENTS, client_id, Client) for client_id in wanted]
        )
        return {client.client_id: client.name for client in found if client is not None}

    async def cut(self, retention_days: int) -> None:
        """
        Forget what is older, by the dates that the chain vouches for: whoever can write the store
        could make all of it look as if it had been added long ago, and leave the rest to this.
        Raises LogRefusedError, and TemporarilyUnavailable.
        """
        state = await self._audit.state()
        anchor, kept_from = state.anchor, await self._audit.now_ms() - retention_days * _DAY_MS
        while (last := await self._last_old(anchor, state.end, iso_date(kept_from))) != anchor:
            anchor = last
            await self._audit.cut(anchor, chain.seal(self._audit_key, ANCHOR, anchor))

    async def _last_old(self, anchor: Head, end: Head, kept_from: str) -> Head:
        """The last of the next records that are from before a date; each of them is proved."""
        most = min(anchor.number + CUT_AT_ONCE, end.number)
        verifier, last = Verifier(anchor), anchor
        for number, stored in enumerate(
            await self._audit.records(anchor.number + 1, most), anchor.number + 1
        ):
            members = chain.members_of(stored)
            if members is not None and str(members.get("date")) >= kept_from:
                break
            verifier.see(stored)
            last = Head(number, members["hash"] if members else "")
        verdict = verifier.verdict(last)
        if verdict.fault:
            raise LogRefusedError(f"record {verdict.number} {verdict.fault}")
        return last

    async def _check(self, state: LogState) -> None:
        """Who can write the store must not have the next record vouch for what they wrote."""
        if state.end == GENESIS:
            if await self._audit.is_gone():
                raise LogRefusedError("it has begun before, and is gone")
        elif not chain.is_sealed(self._audit_key, END, state.end, state.end_mac):
            raise LogRefusedError("its end was not sealed by this installation")


def _ids(events: Sequence[Event], name: str) -> list[str]:
    """Each once."""
    return list({event.fields[name]: None for event in events if event.fields.get(name)})
