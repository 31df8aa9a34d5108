"""The key of a prediction: a hash of the model and of what it was given, the same wherever and whenever it is made.

What is hashed is one line for the model and one for each value that is recorded, `name=value`, in the order of the
dictionary. Who, where and when do not enter, so the key names no one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.dictionary import load_dictionary

CASES_A_TEXT = 16
"""Columns are put together while there are no more combinations of their values than a case in so many."""


def input_keys(cases: pd.DataFrame, model_sha256: str, names: Sequence[str] | None = None) -> pd.Series:
    """A key for each prediction: the same model and the same input, the same key; see `keys_by_model`."""
    (keys,) = keys_by_model(cases, [model_sha256], names)
    return pd.Series(keys, index=cases.index, name="prediction_key", dtype=object)


def keys_by_model(
    cases: pd.DataFrame, models_sha256: Sequence[str], names: Sequence[str] | None = None
) -> list[list[str]]:
    """The keys of the cases under each model: what they are given is spelled once for all.

    Parameters
    ----------
    cases : DataFrame
        Records in the dictionary's layout; other columns are ignored.
    models_sha256 : sequence of str
        The hashes of the models' bundles.
    names : sequence of str, optional
        The columns that are the input; those that a prediction may use unless given.

    Returns
    -------
    list of (n_cases,) list of str
        For each model.
    """
    models = [sha256.encode() for sha256 in models_sha256]
    keys = [[hashlib.sha256(model + given).hexdigest() for model in models] for given in _spelled(cases, names)]
    return [[of_case[place] for of_case in keys] for place in range(len(models))]


def _spelled(cases: pd.DataFrame, names: Sequence[str] | None) -> Iterator[bytes]:
    """What each case gives a model: a line for each value that is recorded, numbers with 12 significant digits."""
    if names is None:
        names = [v.name for v in load_dictionary().predictors if v.name in cases.columns]
    pieces: list[list[bytes]] = []
    place, texts = np.zeros(len(cases), dtype=np.intp), [b""]
    for name in names:
        own_place, own_texts = _lines(cases[name], name)
        if len(texts) * len(own_texts) > max(len(cases) // CASES_A_TEXT, 1):
            pieces.append(_taken(place, texts))
            place, texts = own_place, own_texts
        else:
            place = place * len(own_texts) + own_place
            texts = [before + own for before in texts for own in own_texts]
    pieces.append(_taken(place, texts))
    return map(b"".join, zip(*pieces, strict=True))


def _taken(place: NDArray[np.intp], texts: list[bytes]) -> list[bytes]:
    taken: list[bytes] = np.array(texts, dtype=object).take(place).tolist()
    return taken


def _lines(values: pd.Series, name: str) -> tuple[NDArray[np.intp], list[bytes]]:
    """The different lines of a column, the last of them empty for a missing value, and the place of each case's."""
    place, different = _small_numbers(values) if values.dtype == np.float64 else (None, [])
    if place is None:
        place, different = _distinct(values)
    texts = [_canonical(value) for value in different]
    lines = [f"\n{name}={text}".encode() if text else b"" for text in texts]
    return np.where(place < 0, len(texts), place), [*lines, b""]


def _small_numbers(values: pd.Series) -> tuple[NDArray[np.intp] | None, list[float]]:
    """Whole numbers that fit into a byte as their own places, -1 where missing; None where others are among them.

    Grades, yes/no and most scores are such numbers.
    """
    numbers = values.to_numpy()
    is_missing = np.isnan(numbers)
    with np.errstate(invalid="ignore"):
        place = numbers.astype(np.uint8)
    is_small = place.astype(np.float64).view(np.int64) == numbers.view(np.int64)  # by its bits: -0 is spelled otherwise
    if not (is_small | is_missing).all():
        return None, []
    different = list(map(float, range(int(place.max(initial=0, where=is_small)) + 1)))
    return np.where(is_missing, np.intp(-1), place), different


def _distinct(values: pd.Series) -> tuple[NDArray[np.intp], list[Any]]:
    """The different values of a column, and the place of each case's among them, -1 where missing."""
    if values.dtype == np.float64:
        place, bits = pd.factorize(values.to_numpy().view(np.int64))  # 0 and -0 are equal, and spelled differently
        return place, [None if np.isnan(number) else number for number in bits.view(np.float64)]
    place, words = pd.factorize(values)
    if all(isinstance(word, str) for word in words):
        return place, list(words)
    return pd.factorize(values.map(_canonical, na_action="ignore"))


def _canonical(value: object) -> str:
    if value is None:
        return ""
    return f"{float(value):.12g}" if isinstance(value, int | float | np.number) else str(value)
