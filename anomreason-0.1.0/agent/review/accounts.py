"""Who may log in: a file with one name and hashed password per line; and who has logged in.

`NAME:scrypt:SALT:HASH`, salt and hash in hexadecimal. scrypt with n = 2^14, r = 8, p = 1, 32 bytes: 16 MiB and some tens
of milliseconds per guess, of which one is looked at at a time.
"""

import hashlib
import hmac
import os
import secrets
import threading
import time
from pathlib import Path

from agent.review.guard import is_loopback
from dataset_builder import atomic
from dataset_builder.errors import InputError, shorten
from dataset_builder.files.regular import read_regular

__all__ = ["Accounts", "Sessions", "add_account", "check_host"]

LASTS = 12 * 3600.0
"""Seconds after which somebody who did nothing has to log in again."""


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)


class Accounts:
    """The accounts of a file.

    Raises:
        InputError: if it cannot be read, or a line is not an account.
    """

    def __init__(self, path: Path) -> None:
        self._known: dict[str, tuple[bytes, bytes]] = {}
        self._one_at_a_time = threading.Lock()
        try:
            lines = read_regular(path, 2**20).decode().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read ({error}); make one with `anomreason verdicts account`") from None
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                name, kind, salt, digest = line.split(":")
                if kind != "scrypt" or not name or name in self._known:
                    raise ValueError
                self._known[name] = bytes.fromhex(salt), bytes.fromhex(digest)
            except ValueError:
                # The line is not shown: it may hold a password.
                raise InputError(
                    f"{path}:{number}: is not an account; add one with `anomreason verdicts account {path} NAME`"
                ) from None
        if not self._known:
            raise InputError(f"{path}: holds no accounts; add one with `anomreason verdicts account {path} NAME`")

    def admits(self, name: str, password: str) -> bool:
        """Whether this is the name and password of an account; an unknown name takes as long as a wrong password."""
        salt, digest = self._known.get(name, (b"\0" * 16, b""))
        with self._one_at_a_time:  # guessing by many requests at once takes neither the memory nor the machine
            return hmac.compare_digest(_hash(password, salt), digest)


class Sessions:
    """Who has logged in at this process, by a secret that their browser keeps; it is forgotten when they log out, or did nothing
    for `LASTS` seconds."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[str, float]] = {}

    def begin(self, name: str) -> str:
        """A new secret for somebody who has just shown their password."""
        now = time.monotonic()
        self._known = {key: (who, until) for key, (who, until) in self._known.items() if until > now}
        secret = secrets.token_urlsafe(32)
        self._known[_digest(secret)] = name, now + LASTS
        return secret

    def who(self, secret: str | None) -> str | None:
        """Whose secret it is; `None` for nobody's."""
        key, now = _digest(secret or ""), time.monotonic()
        name, until = self._known.get(key, ("", 0.0))
        if until <= now:
            return None
        self._known[key] = name, now + LASTS
        return name

    def end(self, secret: str | None) -> None:
        """Forget a secret."""
        self._known.pop(_digest(secret or ""), None)


def _digest(secret: str) -> bytes:
    # Looked up by its hash, so that the time of a look-up says nothing about the secret.
    return hashlib.sha256(secret.encode()).digest()


def add_account(path: Path, name: str, password: str) -> None:
    """Add an account to a file, or change its password; nobody else on this machine may read the file.

    Raises:
        InputError: if the name cannot be a reviewer's, the password is shorter than eight characters, or the file is none.
    """
    if not name.isprintable() or not 1 <= len(name) <= 64 or ":" in name or name != name.strip():
        raise InputError(f"{shorten(name)}: is not a name; give 1 to 64 printable characters without colons")
    if len(password) < 8:
        raise InputError("the password has fewer than 8 characters; choose a longer one")
    kept = []
    if path.exists():
        Accounts(path)
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if line.split(":")[0] != name]
    salt = secrets.token_bytes(16)
    kept.append(f"{name}:scrypt:{salt.hex()}:{_hash(password, salt).hex()}")
    mask = os.umask(0o077)
    try:
        atomic.write(path, "\n".join(line for line in kept if line.strip()) + "\n")
    finally:
        os.umask(mask)


def check_host(host: str, accounts: Accounts | None) -> None:
    """Raise `InputError` for a host that others can reach when nobody has to log in."""
    if accounts is None and not is_loopback(host):
        raise InputError(f"--host {host}: others could reach it; give --auth-file, or leave --host out")
