"""`scripts/admin` in the test's own process: what its commands print, and how they refuse."""

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any
from unittest import mock

from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from api.services import open_services
from consent import logs
from consent.settings import SettingsError, load
from scripts.administration import __main__ as command_line
from scripts.administration.installation import AdministrationError


def start_once(environ: Mapping[str, str]) -> None:
    """An API was started with these settings, and has ended."""

    async def start() -> None:
        services = await open_services(load(environ))
        await services.aclose()

    asyncio.run(start())


class CommandLine:
    """Somebody at a terminal of the installation that these settings are for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        others = {name: None for name in os.environ if name[:4] == "NOD_"}
        self._environ = {**others, **environ, "COLUMNS": "80"}
        self._runner = CliRunner()

    def run(self, *arguments: str, typed: str = "") -> Result:
        # The log of this process is not the command's to set up.
        with mock.patch.object(logs, "configure"), capture_logs():
            return self._runner.invoke(command_line.app, arguments, input=typed, env=self._environ)

    def told(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.exit_code == 0, (done.stderr, repr(done.exception))
        return done.stdout

    def json(self, *arguments: str) -> Any:  # noqa: ANN401
        return json.loads(self.told(*arguments, "--json"))

    def refused(self, *arguments: str) -> str:
        """The reason, which the launcher prints in one line."""
        done = self.run(*arguments)
        assert isinstance(done.exception, (AdministrationError, SettingsError)), done.output
        assert done.stdout == ""
        return str(done.exception)
