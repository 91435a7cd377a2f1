"""
The Chromium that the tests of the browser authenticator drive: the one `CHROMIUM` names, else one
on the PATH or among macOS' applications.

    python -m scripts.chromium    # prints where it is; makes sure there is one where it can

Only Debian's own package is installed, and only by root: a container or a machine made for tests.
Elsewhere a person is told what to install; the tests that need it then fail, and no others.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PACKAGES = ("chromium", "fonts-ipafont-gothic")  # the font is for the screenshots in Japanese
MISSING = """\
No Chromium was found, and the tests in tests/browser need one (the others do not).
On Debian:  sudo apt-get install chromium
On macOS:   brew install --cask chromium
Elsewhere:  install Chromium or Google Chrome, or name its executable in CHROMIUM."""


def executable(environ: Mapping[str, str]) -> str | None:
    """An absolute path, or None. What `CHROMIUM` names is the one: no other stands in for it."""
    search_path = environ.get("PATH", os.defpath)
    named = environ.get("CHROMIUM")
    for name in (named,) if named else (*NAMES, *MACOS):
        if found := shutil.which(name, path=search_path):
            return os.path.abspath(found)  # noqa: PTH100 - a link stays one: it is called by its name
    return None


def can_install(environ: Mapping[str, str]) -> bool:
    apt_get = shutil.which("apt-get", path=environ.get("PATH", os.defpath))
    return apt_get is not None and os.geteuid() == 0 and not environ.get("CHROMIUM")


def install(environ: Mapping[str, str]) -> None:
    """Quietly, asking nothing; what goes wrong is said by apt-get itself."""
    print("installing Chromium (about 20 s)...", file=sys.stderr)
    asks_nothing = {**environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ("apt-get", "update", "-qq"),
        ("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *PACKAGES),
    ):
        subprocess.run(command, env=asks_nothing, stdout=subprocess.DEVNULL, check=False)


def main(environ: Mapping[str, str]) -> int:
    """Exit code: 0 when there is one now."""
    if executable(environ) is None and can_install(environ):
        install(environ)
    found = executable(environ)
    print(found or MISSING, file=sys.stdout if found else sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(os.environ))
