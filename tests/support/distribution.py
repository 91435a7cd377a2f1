"""
How xdist's processes share the tests (`--dist loadgroup`): file by file, those that wait first.

A file stays in one process, so that what it starts is started once; a group may cross files, as
`xdist_group` says. Few and large pieces cost the scheduler little, which looks at every piece it
has given out for every test that ends. Small pieces come last, so that all end together.
"""

import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

LONGEST_FIRST = ("faults", "browser", "flows", "scripts", "workers", "api")
WHOLE_NODS = ("own_nod", "equipped_nod")  # fixtures that are worth being made in one process only


class FileByFile(LoadGroupScheduling):  # type: ignore[misc]  # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        group: str = super()._split_scope(nodeid)
        return group.partition("::")[0]


def longest_first(items: list[pytest.Item]) -> None:
    """In the order of the folders above, and else as they are."""
    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.nodeid.split("/")[1], len(rank)))


def grouped_by_whole_nod(items: list[pytest.Item]) -> None:
    for item in items:
        for name in {*WHOLE_NODS}.intersection(getattr(item, "fixturenames", ())):
            if item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group(name))
