"""Who may log in: a file with a name and a hashed password a line.

`NAME:scrypt:SALT:HASH`, salt and hash in hexadecimal. scrypt with n = 2^14, r = 8, p = 1, 32 bytes: 16 MiB and some tens
of milliseconds a guess.
"""

import hashlib
import hmac
import ipaddress
import os
import secrets
from pathlib import Path

from dataset_builder import atomic
from dataset_builder.errors import InputError, shorten
from dataset_builder.files.regular import read_regular

__all__ = ["Accounts", "add_account", "check_host"]


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)


class Accounts:
    """The accounts of a file.

    Raises:
        InputError: if it cannot be read, or a line is no account.
    """

    def __init__(self, path: Path) -> None:
        self._known: dict[str, tuple[bytes, bytes]] = {}
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
                    f"{path}:{number}: is no account; add one with `anomreason verdicts account {path} NAME`"
                ) from None
        if not self._known:
            raise InputError(f"{path}: holds no accounts; add one with `anomreason verdicts account {path} NAME`")

    def admits(self, name: str, password: str) -> bool:
        """Whether this is the name and password of an account; an unknown name takes as long as a wrong password."""
        salt, digest = self._known.get(name, (b"\0" * 16, b""))
        return hmac.compare_digest(_hash(password, salt), digest)


def add_account(path: Path, name: str, password: str) -> None:
    """Add an account to a file, or change its password; nobody else on this machine may read the file.

    Raises:
        InputError: if the name cannot be a reviewer's, the password is shorter than eight characters, or the file is none.
    """
    if not name.isprintable() or not 1 <= len(name) <= 64 or ":" in name or name != name.strip():
        raise InputError(f"{shorten(name)}: is no name; give 1 to 64 printable characters without colons")
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
    if accounts is None and not _is_loopback(host):
        raise InputError(f"--host {host}: others could reach it; give --auth-file, or leave --host out")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
