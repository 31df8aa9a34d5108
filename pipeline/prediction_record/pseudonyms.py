"""Keyed pseudonyms: they find a person's predictions again, for whoever holds the key of this site.

Without a key a `case_id` could be guessed by hashing every number that a hospital hands out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.dictionary import load_dictionary
from pipeline.prediction_record.chain import canonical
from pipeline.prediction_record.errors import RecordError

KEY_BYTES = 32
OWNER_ONLY = 0o600


def identifying() -> tuple[str, ...]:
    """The variables of the dictionary that identify a person; their values enter no record."""
    return tuple(variable.name for variable in load_dictionary().variables if variable.identifies)


def key_path(store: Path) -> Path:
    return store.with_suffix(".key")


def make_key(path: Path) -> bytes:
    """A new key in a new file that only its owner reads, on disk when this returns."""
    key = secrets.token_bytes(KEY_BYTES)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key(path: Path) -> bytes:
    """The key of a record.

    Raises
    ------
    RecordError
        If it is absent, damaged, or may be read by others than its owner.
    """
    try:
        mode, text = path.stat().st_mode & 0o777, path.read_text(encoding="ascii")
        key = bytes.fromhex(text.strip())
    except FileNotFoundError:
        raise RecordError(
            f"{path} is missing. Without this key nobody is found again in the record: restore it from its backup."
        ) from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read as a key ({type(error).__name__}). Restore it.") from None
    if mode & 0o077:
        raise RecordError(f"{path} may be read by others (mode {mode:o}). Run `chmod 600 {path}`.")
    if len(key) != KEY_BYTES:
        raise RecordError(f"{path} holds {len(key)} bytes where a key has {KEY_BYTES}. Restore it.")
    return key


def fingerprint(key: bytes) -> str:
    """What a record remembers of its key, to refuse another."""
    return hmac.new(key, b"the key of a Backcast record", hashlib.sha256).hexdigest()


def pseudonym(key: bytes, name: str, value: object) -> str | None:
    """The pseudonym of a `case_id` or `patient_id`; None where there is none to hide."""
    if value is None or str(value).strip() == "":
        return None
    text = canonical([name, str(value).strip()])
    return hmac.new(key, text.encode("ascii"), hashlib.sha256).hexdigest()


def without_identity(content: Any, names: frozenset[str]) -> Any:
    """JSON without the entries of that name, however deep they stand."""
    if isinstance(content, str | int | float):  # most of an answer, and quicker told than that it is no mapping
        return content
    if isinstance(content, Mapping):
        return {key: without_identity(value, names) for key, value in content.items() if key not in names}
    if isinstance(content, list | tuple):
        return [without_identity(value, names) for value in content]
    return content
