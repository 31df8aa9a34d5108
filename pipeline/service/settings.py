"""What a service is started with, and when it refuses to start."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from features.outcomes import OutcomeParams
from pipeline.cds.settings import CdsSettings
from pipeline.params import ServiceParams
from pipeline.service.errors import ServiceError

TOKEN_VARIABLE = "BACKCAST_TOKEN"
LEAST_TOKEN = 24
"""Characters of a token, at least: some 120 bits where they are drawn at random."""
OTHERS_MAY_READ = 0o077


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """Everything that `create_app` needs; a token of None is no token, which only loopback may have.

    `models` are the names under which models are known with the folders of their bundles, `causes` the same for
    the one model of the causes of failed operations. `hosts` are the names under which it answers, or empty for
    any: on loopback without a token they keep a page of another site, whose name was made to point here, from
    asking.
    """

    models: tuple[tuple[str, Path], ...]
    causes: tuple[str, Path]
    record: Path
    params: ServiceParams
    outcomes: dict[str, OutcomeParams] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    is_encrypted: bool = False
    exports: bool = True
    cds: CdsSettings = field(default_factory=CdsSettings)


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a service is reached, and by whom."""

    host: str
    port: int
    token: str | None = field(default=None, repr=False)
    certfile: Path | None = None
    keyfile: Path | None = None

    @property
    def is_encrypted(self) -> bool:
        return self.certfile is not None


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def own_names(door: Door) -> tuple[str, ...]:
    """The names under which a service answers; empty for any."""
    if door.token is not None:
        return ()
    return tuple(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", door.host]))


def read_token(file: Path | None) -> str | None:
    """The token from its file, or from the environment; never from the command line, which others can see.

    Raises
    ------
    ServiceError
        If both name one, others may read the file, or it is too short to be a secret.
    """
    named = os.environ.get(TOKEN_VARIABLE)
    if file and named:
        raise ServiceError(f"Both --token-file and {TOKEN_VARIABLE} name a token. Keep one.")
    token = _token_in(file) if file else named
    if token is None:
        return None
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ServiceError(
            f"The token needs at least {LEAST_TOKEN} plain letters, digits and signs, without a space. "
            f"`python3 -c 'import secrets; print(secrets.token_urlsafe(32))'` makes one."
        )
    return token


def _token_in(file: Path) -> str:
    try:
        mode, text = file.stat().st_mode, file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(f"{file} cannot be read as a token ({type(error).__name__}).") from None
    if mode & OTHERS_MAY_READ:
        raise ServiceError(f"{file} may be read by others (mode {mode & 0o777:o}). Run `chmod 600 {file}`.")
    return text.strip()


def refuse_open_door(door: Door) -> None:
    """Refuse an address that others can reach without a token, and half a certificate.

    Raises
    ------
    ServiceError
        Saying what to name.
    """
    problems = []
    if not is_loopback(door.host) and door.token is None:
        problems.append(
            f"{door.host} can be reached by others, so a token is needed: name --token-file, or set {TOKEN_VARIABLE}. "
            f"Without --host the service answers this machine alone."
        )
    if bool(door.certfile) != bool(door.keyfile):
        problems.append("--certfile and --keyfile belong together. Name both, or neither.")
    problems += [f"{file} does not exist." for file in (door.certfile, door.keyfile) if file and not file.is_file()]
    if problems:
        raise ServiceError("\n".join(problems))
