"""
The Lua scripts of this folder, by name, each with the prelude in front of it.

They are loaded when a connection opens, so that a call is one EVALSHA; a server that has
forgotten them (SCRIPT FLUSH) is told again.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
_PRELUDE = (_FOLDER / "prelude.lua").read_text()
SOURCES = {
    path.stem: f"{_PRELUDE}\n{path.read_text()}"
    for path in sorted(_FOLDER.glob("*.lua"))
    if path.stem != "prelude"
}
SHA1 = {
    name: hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    for name, source in SOURCES.items()
}


async def load_all(send: Callable[..., Awaitable[Any]]) -> None:
    """Load every script into one server."""
    await asyncio.gather(*[send("SCRIPT", "LOAD", source) for source in SOURCES.values()])
