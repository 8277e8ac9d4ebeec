"""The key access tokens are signed with."""

import os
import secrets
from pathlib import Path

from app.bootstrap.settings import Settings


def token_key(settings: Settings) -> bytes:
    """TOKENS_SECRET, or a key that was made once and lies under LUMINA_HOME (0600)."""
    if settings.tokens.secret is not None:
        return settings.tokens.secret.get_secret_value().encode()
    return _kept_key(settings.lumina.home / "tokens.key")


def _kept_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(secrets.token_hex(32))
    try:
        # Of two that start at once one key wins, and whole.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes().strip()
