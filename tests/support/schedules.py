"""
Every order in which concurrent calls may reach Redis, tried without any of them being left out.

An actor is an async function over the store's own classes, suspended at its calls to Redis and
nowhere else. A call is one script, and atomic; so a schedule is the order of the calls. The
scripts are those of `consent.store`, word for word, run by fakeredis in this process, with a
clock of ours: no time passes but in `passes`.

Two orders after which Redis holds the same and every actor has heard the same have one future, so
each state is left once in each way, and `schedules` counts the ways through all of them. An actor
is continued by starting it again and telling it what it has heard.

A fault is an actor that stops for good, or a reply that is lost after its script has run, whereupon
the same command is sent again, at any later time.
"""

import random
import secrets
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar
from unittest import mock

from fakeredis import FakeRedis, FakeServer
from fakeredis._core._database import Item
from fakeredis.model import Hash, StreamEntryKey, XStream, ZSet

from consent.settings import Settings
from consent.store.connections import Redis
from consent.store.opening import Store, store_over
from consent.store.scripts import SHA1, SOURCES
from tests.support.domain import NOW, SEAL
from tests.support.store import Person, StoreInUse, settings

Command = tuple[str | bytes | int, ...]
Reply = Any
Actor = Callable[[Store], Coroutine[Any, Any, Any]]
T = TypeVar("T")
_PASSES = "PASSES"


class State(NamedTuple):
    """All that Redis holds, as `(key, when it expires, its contents)`, and its clock."""

    now_ms: int
    held: tuple[tuple[bytes, int | None, Any], ...]

    def fields(self, key: str) -> dict[str, str]:
        """A hash, empty where there is none."""
        return {name.decode(): value.decode() for name, value in self._find(key)}

    def scores(self, key: str) -> dict[str, float]:
        """A sorted set, empty where there is none."""
        return {name.decode(): score for name, score in self._find(key)}

    def events(self, key: str) -> list[dict[str, str]]:
        """A stream of the audit trail, in no order."""
        entries = [[text.decode() for text in entry] for entry in self._find(key)]
        return [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in entries]

    def has(self, key: str) -> bool:
        return self._find(key, None) is not None

    def _find(self, key: str, missing: Any = ()) -> Any:  # noqa: ANN401 - a hash, a set or a string
        wanted = key.encode()
        for name, _, (_, value) in self.held:
            if name == wanted:
                return value
        return missing


class Step(NamedTuple):
    """One call that reached Redis: the state it met, what it was told and what it left behind."""

    actor: str
    command: Command
    before: State
    reply: Reply
    after: State

    @property
    def script(self) -> str:
        return _SCRIPTS.get(self.command[1], "")


class Ended(NamedTuple):
    """Only time has anything left to do: what each actor returned, None of one that stopped."""

    results: dict[str, Any]
    state: State
    faulty: bool


class Explored(NamedTuple):
    schedules: int
    states: int
    calls: int


class _Here(NamedTuple):
    """Where a schedule has come to; states and what was heard are named by numbers."""

    state: int
    heard: tuple[int, ...]
    stopped: int  # the actor that has, -1 while none
    faults_left: int


class _Returned(NamedTuple):
    value: Any


class _Suspended(Redis):
    """A Redis whose every call waits until the scheduler lets it happen."""

    def __init__(self) -> None:
        pass

    async def run(self, script: str, keys: list[str], *arguments: Any) -> Reply:  # noqa: ANN401
        return await _call("EVALSHA", SHA1[script], len(keys), *keys, *arguments)

    async def execute(self, command: str, key: str, *arguments: Any) -> Reply:  # noqa: ANN401
        return await _call(command, key, *arguments)

    async def command(self, *arguments: Any) -> Reply:  # noqa: ANN401
        return await _call(*arguments)


@types.coroutine
def _call(*command: str | bytes | int) -> Generator[Command, Reply, Reply]:
    return (yield command)


async def passes(ms: int) -> None:
    """Time, an actor like others."""
    await _call(_PASSES, ms)


class _CompilingOnce:
    """Lua as fakeredis uses it, which would compile a script and collect garbage at each run."""

    def __init__(self, runtime: Any) -> None:  # noqa: ANN401 - untyped there
        self._runtime = runtime
        self._compiled: dict[bytes | str, Callable[[], Any]] = {}

    def execute(self, source: bytes | str) -> Any:  # noqa: ANN401 - as Lua replies
        if source == "collectgarbage()":  # it does so by itself
            return None
        if source not in self._compiled:
            self._compiled[source] = self._runtime.compile(source)
        return self._compiled[source]()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - untyped there
        return getattr(self._runtime, name)


class World:
    """A Redis of its own, with a person in it."""

    def __init__(self) -> None:
        server = FakeServer(server_type="valkey")
        self._database = server.dbs[0]
        self._client = FakeRedis(server=server, protocol=2)
        self._client.response_callbacks.clear()
        self._now_ms = NOW * 1_000
        self._settings = settings("redis://127.0.0.1")
        self.prepared: list[tuple[Command, Reply]] = []  # what led to where the actors begin
        for source in SOURCES.values():
            self._client.script_load(source)
        self._client.eval("return 1", 0)  # there is a runtime from then on
        server._lua_runtime = _CompilingOnce(server._lua_runtime)  # noqa: SLF001
        use = StoreInUse(self.store(), self._settings)
        self.person: Person = self.prepare(use.person(devices=2))

    def store(self) -> Store:
        return suspended_store(self._settings)

    @contextmanager
    def running(self) -> Iterator[None]:
        """By this clock alone."""
        with mock.patch("time.time", self._time):
            yield

    def _time(self) -> float:
        return self._now_ms / 1_000

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what it returns
        """Let somebody finish, when the actors have ended."""
        return finish(work, self.execute)

    def execute(self, command: Command) -> Reply:
        if command[0] == _PASSES:
            self._now_ms += int(command[1])
            return None
        return frozen_reply(self._client.execute_command(*command))

    def prepare(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what it returns
        """Let somebody finish before the actors begin."""

        def execute(command: Command) -> Reply:
            reply = self.execute(command)
            self.prepared.append((command, reply))
            return reply

        with self.running():
            return finish(work, execute)

    def state(self) -> State:
        return State(
            self._now_ms,
            tuple(
                (key, item.expireat, _frozen(item.value))
                for key, item in sorted(self._database._dict.items())  # noqa: SLF001
            ),
        )

    def restore(self, state: State) -> None:
        self._now_ms = state.now_ms
        self._database._dict.clear()  # noqa: SLF001
        self._database._expiry_heap.clear()  # noqa: SLF001
        for key, expireat, frozen in state.held:
            item = Item(_thawed(frozen))
            item.expireat = expireat
            self._database[key] = item


class Schedules:
    """All schedules of some actors in a world, with so many faults in each, at most."""

    def __init__(self, world: World, actors: dict[str, Actor], *, faults: int = 0) -> None:
        self._world = world
        self._names = [*actors]
        self._actors = [*actors.values()]
        self._faults = faults
        self._states = _Numbered[State]()
        self._heard = _Numbered[tuple[int, tuple[Reply, ...]]]()
        self._following: dict[int, Command | _Returned] = {}
        self._made: dict[tuple[int, int], tuple[int, int]] = {}
        self._ways: dict[_Here, int] = {}
        self._ended: set[object] = set()

    def explore(
        self,
        *,
        at_step: Callable[[Step], None],
        at_end: Callable[[Ended], None],
        afterwards: Callable[[World], None],
    ) -> Explored:
        """Go through every schedule; `afterwards` may go on in the world it is given."""
        self._at_step, self._at_end, self._afterwards = at_step, at_end, afterwards
        with self._world.running():
            schedules = self._ways_from(self._start())
        return Explored(schedules, len(self._ways), len(self._made))

    def sample(self, chance: random.Random) -> list[tuple[Command, Reply]]:
        """One schedule, by chance: its commands and their replies."""
        done: list[tuple[Command, Reply]] = []
        self._at_step = lambda step: done.append((step.command, step.reply))
        with self._world.running():
            here = start = self._start()
            while waiting := self._waiting(here):
                self._made.clear()
                here = self._after_call(here, chance.choice(waiting))
            self._world.restore(self._states[start.state])
        return done

    def _start(self) -> _Here:
        heard = tuple(self._heard.of((index, ())) for index in range(len(self._actors)))
        return _Here(self._states.of(self._world.state()), heard, -1, self._faults)

    def _ways_from(self, here: _Here) -> int:
        known = self._ways.get(here)
        if known is None:
            waiting = self._waiting(here)
            if all(self._is_time(here.heard[index]) for index in waiting):
                self._end(here)
            known = sum(map(self._ways_from, self._after(here, waiting))) or 1
            self._ways[here] = known
        return known

    def _after(self, here: _Here, waiting: list[int]) -> Iterator[_Here]:
        for index in waiting:
            after = self._after_call(here, index)
            yield after
            if here.faults_left and not self._is_time(here.heard[index]):
                faults_left = here.faults_left - 1
                yield here._replace(stopped=index, faults_left=faults_left)
                yield after._replace(heard=here.heard, faults_left=faults_left)

    def _waiting(self, here: _Here) -> list[int]:
        """Whose call may be the next."""
        return [
            index
            for index, heard in enumerate(here.heard)
            if index != here.stopped
            and not isinstance(self._next(heard), _Returned)
            and not self._is_another(index, here)
        ]

    def _is_another(self, index: int, here: _Here) -> bool:
        """Of actors that are alike the first begins first: which one it is makes no difference."""
        before = index - 1
        return (
            before >= 0
            and self._actors[index] is self._actors[before]
            and not self._heard[here.heard[index]][1]
            and not self._heard[here.heard[before]][1]
            and here.stopped != before
        )

    def _next(self, heard: int) -> Command | _Returned:
        """What an actor that has heard so much asks for, or returned."""
        known = self._following.get(heard)
        if known is None:
            index, replies = self._heard[heard]
            known = _continued(self._actors[index], self._names[index], self._world.store, replies)
            self._following[heard] = known
        return known

    def _is_time(self, heard: int) -> bool:
        command = self._next(heard)
        return not isinstance(command, _Returned) and command[0] == _PASSES

    def _after_call(self, here: _Here, index: int) -> _Here:
        """One call; the same one met in the same state is made, and judged, once."""
        heard = here.heard[index]
        made = self._made.get((here.state, heard))
        if made is None:
            before, command = self._states[here.state], self._next(heard)
            assert not isinstance(command, _Returned)
            self._world.restore(before)
            reply, after = self._world.execute(command), self._world.state()
            self._at_step(Step(self._names[index], command, before, reply, after))
            _, replies = self._heard[heard]
            made = self._states.of(after), self._heard.of((index, (*replies, reply)))
            self._made[here.state, heard] = made
        state, told = made
        heard_then = (*here.heard[:index], told, *here.heard[index + 1 :])
        return here._replace(state=state, heard=heard_then)

    def _end(self, here: _Here) -> None:
        results = {}
        for name, heard in zip(self._names, here.heard, strict=True):
            returned = self._next(heard)
            results[name] = returned.value if isinstance(returned, _Returned) else None
        faulty = here.faults_left < self._faults
        if here.state not in self._ended:
            self._ended.add(here.state)
            self._world.restore(self._states[here.state])
            self._afterwards(self._world)
        judged = here.state, tuple(results.values()), faulty
        if judged not in self._ended:
            self._ended.add(judged)
            self._at_end(Ended(results, self._states[here.state], faulty))


class _Numbered(Generic[T]):
    """Values by number and numbers by value: a number is quickly compared."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}
        self._values: list[T] = []

    def of(self, value: T) -> int:
        number = self._numbers.setdefault(value, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number

    def __getitem__(self, number: int) -> T:
        return self._values[number]


_SCRIPTS: dict[Any, str] = {sha1: name for name, sha1 in SHA1.items()}


def suspended_store(used: Settings) -> Store:
    return store_over(_Suspended(), SEAL, used)


def finish(work: Coroutine[Any, Any, Any], execute: Callable[[Command], Reply]) -> Any:  # noqa: ANN401
    reply = None
    while True:
        try:
            reply = execute(work.send(reply))
        except StopIteration as end:
            return end.value


def _continued(
    actor: Actor, name: str, store: Callable[[], Store], heard: tuple[Reply, ...]
) -> Command | _Returned:
    """Where an actor stands that has heard so much; its operations are named as before."""
    drawn = iter(range(1_000))

    def token(*_: object) -> str:
        return f"{name}/{next(drawn)}/"

    with mock.patch.object(secrets, "token_urlsafe", token):
        work = actor(store())
        try:
            command: Command = work.send(None)
            for reply in heard:
                command = work.send(reply)
        except StopIteration as end:
            return _Returned(end.value)
        work.close()
    return command


def _told(
    heard: tuple[tuple[Reply, ...], ...], index: int, reply: Reply
) -> tuple[tuple[Reply, ...], ...]:
    return (*heard[:index], (*heard[index], reply), *heard[index + 1 :])


def frozen_reply(reply: Reply) -> Reply:
    return tuple(map(frozen_reply, reply)) if isinstance(reply, list) else reply


def _frozen(value: Any) -> Any:  # noqa: ANN401 - what fakeredis keeps
    if isinstance(value, Hash):
        return "hash", tuple(sorted(value._values.items()))  # noqa: SLF001
    if isinstance(value, ZSet):
        return "zset", tuple(sorted(value._bylex.items()))  # noqa: SLF001
    if isinstance(value, XStream):
        # In whatever order, for what the order was changes nothing: else few states were equal.
        return "stream", tuple(sorted(map(tuple, value._values_dict.values())))  # noqa: SLF001
    assert isinstance(value, bytes), type(value)
    return "string", value


def _thawed(frozen: Any) -> Any:  # noqa: ANN401 - what fakeredis keeps
    kind, contents = frozen
    if kind == "string":
        return contents
    if kind == "stream":
        stream = XStream()
        for number, fields in enumerate(contents, 1):
            stream.add(list(fields), StreamEntryKey(number, 0))
        return stream
    value = Hash() if kind == "hash" else ZSet()
    for name, item in contents:
        value[name] = item
    return value
