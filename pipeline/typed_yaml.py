"""YAML as typed objects: everything wrong with a file at once, misspelt keys by name."""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from features.errors import ParamsError


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key written twice and reads 1e-5 as the number it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"{', '.join(twice)} is written twice{node.start_mark}")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> Any:
    """A YAML file as plain objects.

    Raises
    ------
    ParamsError
        If it is absent, no text or no YAML.
    """
    try:
        return _Loader(path.read_text(encoding="utf-8")).get_single_data()
    except FileNotFoundError:
        raise ParamsError(f"{path} is missing. Run from the root of the repository.") from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not YAML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} cannot be read as UTF-8 text: {error}. Restore it.") from None


def made(kind: Any, raw: Any, where: str, problems: list[str]) -> Any:
    """The value of that kind from plain YAML; problems are added, and None stands for what has them."""
    if dataclasses.is_dataclass(kind):
        return _made_dataclass(kind, raw, where, problems)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        fitting = [option for option in arguments if _fits(option, raw)]
        return made(fitting[0], raw, where, problems) if fitting else _wrong_type(kind, raw, where, problems)
    if origin is typing.Literal or kind is Any:
        return raw
    if not _fits(kind, raw):
        return _wrong_type(kind, raw, where, problems)
    if origin is list:
        return [made(arguments[0], item, f"{where}[{i}]", problems) for i, item in enumerate(raw)]
    if isinstance(raw, dict):
        return {key: made(arguments[1], value, f"{where}.{key}", problems) for key, value in raw.items()}
    return float(raw) if kind is float else raw


def _made_dataclass(kind: Any, raw: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(raw, dict):
        problems.append(f"{where or 'the file'} must hold keys and values")
        return None
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    before = len(problems)
    for key in [key for key in raw if key not in fields]:
        closest = difflib.get_close_matches(str(key), fields, n=1)
        problems.append(f"unknown key {_joined(where, key)}" + (f" (is {closest[0]} meant?)" if closest else ""))
    for name, its in fields.items():
        optional = its.default is not dataclasses.MISSING or its.default_factory is not dataclasses.MISSING
        if name not in raw and not optional:
            problems.append(f"{_joined(where, name)} is missing")
    values = {name: made(hints[name], raw[name], _joined(where, name), problems) for name in fields if name in raw}
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ParamsError as error:
        problems.append(str(error).removeprefix("params.yaml: ").rstrip("."))
        return None


def _joined(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _fits(kind: Any, raw: Any) -> bool:
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return isinstance(raw, dict)
    if origin is list:
        return isinstance(raw, list)
    if origin is not None and origin is not list:
        return isinstance(raw, dict)
    if isinstance(raw, bool):
        return kind is bool
    return isinstance(raw, int | float) if kind is float else isinstance(raw, kind)


def _wrong_type(kind: Any, raw: Any, where: str, problems: list[str]) -> None:
    name = getattr(kind, "__name__", str(kind)) if typing.get_origin(kind) is None else str(kind)
    problems.append(f"{where} must be {name.replace('typing.', '')}, got {raw!r}")
