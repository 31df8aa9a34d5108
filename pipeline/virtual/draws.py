"""Chance: one stream of numbers for each module, and the few kinds of draw they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from scipy.special import expit, logit

STREAMS = (
    "effects",
    "centres",
    "people",
    "anatomy",
    "sources",
    "pain",
    "examination",
    "scan",
    "choice",
    "listing",
    "operation",
    "course",
    "answers",
    "workup",
    "missingness",
    "returning",
    "dates",
    "second_reader",
    "accuracies",
)
"""Append only: the place of a name decides its numbers."""

Block = TypeVar("Block")


def streams(seed: int, episode: int, block: int = 0) -> dict[str, Generator]:
    """One generator a module and block, so that a change in one does not shift the others.

    `episode` is 0 for first operations and 1 for the patients who come back; `block` counts the blocks of
    cases, each of which is drawn without knowing the others.
    """
    return {
        name: default_rng(SeedSequence(seed, spawn_key=(episode, place, block))) for place, name in enumerate(STREAMS)
    }


def happens(rng: Generator, probability: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Whether each event of the given probability happens."""
    probability = np.asarray(probability, dtype=float)
    return rng.random(shape if shape is not None else probability.shape) < probability


def picked(rng: Generator, shares: np.ndarray, n: int | None = None) -> np.ndarray:
    """Place of one option a row, drawn with the given shares ((k,) with `n`, or (n, k))."""
    shares = np.asarray(shares, dtype=float)
    if shares.ndim == 1:
        shares = np.broadcast_to(shares, (n or 1, len(shares)))
    ends = np.cumsum(shares, axis=1)
    return (rng.random(len(ends))[:, None] * ends[:, -1:] > ends[:, :-1]).sum(axis=1)


def words_if(known: np.ndarray, words: Any) -> np.ndarray:
    """The words where they are known, and None elsewhere."""
    chosen = np.full(np.shape(known), None, dtype=object)
    chosen[known] = np.broadcast_to(np.asarray(words, dtype=object), chosen.shape)[known]
    return chosen


def shifted(share: Any, by: Any) -> np.ndarray:
    """A share moved by some log-odds."""
    return expit(logit(np.clip(np.asarray(share, dtype=float), 1e-6, 1 - 1e-6)) + by)


def whole(values: Any, lower: float, upper: float, step: float = 1) -> np.ndarray:
    """Values rounded to a step and kept within their range."""
    return np.clip(np.round(np.asarray(values, dtype=float) / step) * step, lower, upper)


def rows_of(block: Block, rows: np.ndarray) -> Block:
    """The same block of arrays for some cases only; mappings and blocks within it are followed."""

    def part(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value[rows]
        if isinstance(value, Mapping):
            return {name: part(array) for name, array in value.items()}
        if is_dataclass(value) and not isinstance(value, type):
            return rows_of(value, rows)
        return value

    return replace(block, **{f.name: part(getattr(block, f.name)) for f in fields(block)})  # type: ignore[type-var, arg-type]


def either_of(condition: np.ndarray, first: Block, second: Block) -> Block:
    """The same block of arrays, from `first` in the cases where the condition holds, else from `second`."""

    def part(a: Any, b: Any) -> Any:
        if isinstance(a, dict):
            return {name: part(a[name], b[name]) for name in a}
        if is_dataclass(a) and not isinstance(a, type):
            return either_of(condition, a, b)
        return np.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    parts = {f.name: part(getattr(first, f.name), getattr(second, f.name)) for f in fields(first)}  # type: ignore[arg-type]
    return replace(first, **parts)  # type: ignore[type-var]
