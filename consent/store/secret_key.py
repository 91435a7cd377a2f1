"""The secret key of an installation that was given none: made once, kept in a file."""

import os
import secrets
from pathlib import Path

from consent.settings import Settings, SettingsError


def secret_key(settings: Settings) -> str:
    """`NOD_SECRET_KEY`, or the key in `NOD_DATA_DIR`, which the first to ask creates."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.data_dir / "secret.key"
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"NOD_DATA_DIR: {error.strerror}") from error


def _create(path: Path) -> None:
    """Whole or not at all: another process may be doing the same."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
