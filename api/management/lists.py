"""Lists of the directory's records: any kind, in pages that cost the same in any tenant."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from api.edge import Reply, json_reply
from consent.management.listing import Shown, checkpoint_shown, page_shown, paging, selection
from consent.store.directory import Directory

T = TypeVar("T")


async def directory_list(
    directory: Directory,
    hash_name: str,
    kind: type[T],
    parameters: dict[str, str],
    *,
    name: str,
    id_of: Callable[[T], str],
    shown: Callable[[T], Shown],
    index: str = "",
) -> Reply:
    """
    The part of the records of an index that is asked for. Raises ManagementError
    invalid_query_string.
    """
    asked, selected = paging(parameters), selection(parameters)
    if asked.after is None:
        records, total = await directory.page(
            hash_name, kind, index, start=asked.start, count=asked.take
        )
        items = [selected(shown(record)) for record in records]
        return json_reply(page_shown(name, items, total, asked))
    records = await directory.page_after(
        hash_name, kind, index, after=asked.after, count=asked.take + 1
    )
    items = [selected(shown(record)) for record in records[: asked.take]]
    more = len(records) > asked.take
    return json_reply(
        checkpoint_shown(name, items, id_of(records[asked.take - 1]) if more else None)
    )


def known_list(
    records: Iterable[T | None],
    parameters: dict[str, str],
    *,
    name: str,
    id_of: Callable[[T], str],
    shown: Callable[[T], Shown],
) -> Reply:
    """The same of the few that may be meant, those that are not there left out."""
    asked, selected = paging(parameters), selection(parameters)
    there = {id_of(record): record for record in records if record is not None}
    ids = [each for each in sorted(there) if each > (asked.after or "")]
    part = ids[asked.start : asked.start + asked.take]
    items = [selected(shown(there[each])) for each in part]
    if asked.after is None:
        return json_reply(page_shown(name, items, len(ids), asked))
    more_after = part[-1] if len(ids) > len(part) else None
    return json_reply(checkpoint_shown(name, items, more_after))
