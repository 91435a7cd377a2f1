"""`import`: what Auth0 exports, taken over."""

import asyncio
import json as json_module
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, get_args

import typer

from scripts.administration import operator
from scripts.administration.exports import reading
from scripts.administration.exports.importer import Action, Importer, Outcome
from scripts.administration.exports.reading import KINDS
from scripts.administration.output import Json, cell, table

ACTIONS = get_args(Action)
_COUNTED_ALONE = frozenset({("user", "created"), ("user", "updated"), ("user", "unchanged")})
_NAMES_KEPT_MAX = 200
_ADVICE = {
    "custom_password_hash": "people sign with their phones",
    "mfa_factors": "people enroll their phones here: `tickets create`",
    "multifactor": "people enroll their phones here: `tickets create`",
    "passwordHash": "people sign with their phones",
    "password_hash": "people sign with their phones",
}


class Summary:
    """Of bounded size, however long the export is."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Action]] = Counter()
        self._left: Counter[tuple[str, str]] = Counter()

    def add(self, outcome: Outcome) -> None:
        kind = outcome.kind or "unreadable"
        self._counts[kind, outcome.action] += 1
        for name in outcome.left:
            known = (kind, name) in self._left or len(self._left) < _NAMES_KEPT_MAX
            self._left[kind, name if known else "others"] += 1

    @property
    def failed(self) -> int:
        return sum(count for (_, action), count in self._counts.items() if action == "failed")

    def rows(self) -> list[dict[str, object]]:
        kinds = [it for it in (*KINDS, "unreadable") if any(it == kind for kind, _ in self._counts)]
        return [
            {"records": kind} | {action: self._counts[kind, action] for action in ACTIONS}
            for kind in kinds
        ]

    def left(self) -> list[dict[str, object]]:
        return [
            {"records": kind, "member": name, "times": count, "instead": _ADVICE.get(name)}
            for (kind, name), count in sorted(self._left.items())
        ]


def import_export(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="files of the export; JSON, also .gz")
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would happen, and change nothing")
    ] = False,
    upsert: Annotated[
        bool, typer.Option("--upsert", help="change what is here already and differs")
    ] = False,
    json: Json = False,
) -> None:
    """
    Take over clients, users, APIs, grants and connections from an export of Auth0.

    \b
    Applications keep their client ids and, where the export holds them, their secrets; people
    keep their user ids. What is here already and the same is left alone, so that an import may be
    made again. Passwords, factors and rules have no use here: they are counted, and left.
      auth0 apps list --json --reveal-secrets > clients.json
      auth0 users export, or the job POST /api/v2/jobs/users-exports with format json
      scripts/admin import clients.json users.json --dry-run
      scripts/admin import clients.json users.json

    A file is a list, an object of lists ({"clients": [...]}) or a record in each line, packed by
    gzip or not; files of lines may be of any length. With --json each record is a line of JSON,
    and the last line is the summary. The exit code is 1 if a record failed; the others stay.
    """
    summary = asyncio.run(_imported(paths, dry_run=dry_run, upsert=upsert, json=json))
    if json:
        print(_line({"summary": summary.rows(), "not_taken_over": summary.left()}))
    else:
        _print_summary(summary, dry_run=dry_run)
    if summary.failed:
        raise typer.Exit(1)


async def _imported(paths: list[Path], *, dry_run: bool, upsert: bool, json: bool) -> Summary:
    summary = Summary()
    async with operator.opened(os.environ) as opened:
        importer = Importer(opened, dry_run=dry_run, upsert=upsert)
        async for outcome in importer.outcomes(reading.entries(paths)):
            summary.add(outcome)
            if json:
                print(_line(outcome._asdict()))
            elif (outcome.kind, outcome.action) not in _COUNTED_ALONE or outcome.said:
                print(line(outcome))
    return summary


def line(outcome: Outcome) -> str:
    """One line, whatever is in it: `skipped    client  abc: why`."""
    text = f"{outcome.action:<9}  {outcome.kind or 'unreadable'}  {cell(outcome.id)}"
    return f"{text}: {cell(outcome.said)}" if outcome.said else text


def _print_summary(summary: Summary, *, dry_run: bool) -> None:
    rows = summary.rows()
    if not rows:
        print("there is no record in these files")
        return
    print(f"\n{table(rows)}")
    if left := summary.left():
        print(f"\nnot taken over, for there is no use for it here:\n{table(left)}")
    if dry_run:
        print("\nThis was a dry run: nothing is changed.")


def _line(value: object) -> str:
    return json_module.dumps(value)
