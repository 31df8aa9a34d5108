"""The cases on which it is measured: those of the virtual registry, drawn once and repeated."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from features.dictionary import load_dictionary
from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases

DRAWN = 12_000
REGISTRY = RegistryParams(seed=1, cases=DRAWN, centres=8, first_year=2017, years=6, discordance_effect=1.0)


def drawn_cases() -> pd.DataFrame:
    return draw_planned_cases(REGISTRY)


def many_cases(n: int) -> pd.DataFrame:
    """So many cases without keys, numbers as float32 and words as categories: a million in 0.5 GB."""
    drawn = drawn_cases()
    numeric = [v.name for v in load_dictionary().predictors if v.is_numeric]
    words = [v.name for v in load_dictionary().predictors if not v.is_numeric]
    narrow = pd.concat([drawn[numeric].astype("float32"), drawn[words].astype("category")], axis=1)
    return pd.concat([narrow] * (n // DRAWN + 1), ignore_index=True).head(n)


def write_cases(n: int, file: Path) -> None:
    """So many planned operations as one Parquet file, as a registry gives them: keys and days too, each key once."""
    drawn = drawn_cases()
    with pyarrow.parquet.ParquetWriter(file, pa.Table.from_pandas(drawn, preserve_index=False).schema) as writer:
        for start in range(0, n, DRAWN):
            writer.write_table(
                pa.Table.from_pandas(_block(drawn, start, n), schema=writer.schema, preserve_index=False)
            )


def write_parts(n: int, parts: int, folder: Path) -> None:
    """The same as a folder of Parquet files, each of them a block of whole draws or less."""
    drawn = drawn_cases()
    folder.mkdir(parents=True)
    size = -(-n // parts)
    for part in range(parts):
        first, last = part * size, min((part + 1) * size, n)
        blocks = [
            _block(drawn, start, last).iloc[max(first - start, 0) :]
            for start in range(first // DRAWN * DRAWN, last, DRAWN)
        ]
        pd.concat(blocks).to_parquet(folder / f"part_{part:03d}.parquet", index=False)


def _block(drawn: pd.DataFrame, start: int, end: int) -> pd.DataFrame:
    """The draw again under keys of its own, cut where the cases end."""
    block = drawn.head(end - start)
    numbers = [f"{start + i:08d}" for i in range(len(block))]
    return block.assign(case_id=[f"C{number}" for number in numbers], patient_id=[f"P{number}" for number in numbers])
