"""Stage ``registry``: the virtual registry as a CSV, the same door through which a real one comes.

The truth goes into a file of its own, which no training stage reads.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.csv

from pipeline import paths
from pipeline.files import write_table, written_whole
from pipeline.params import Params
from pipeline.virtual.registry import draw_registry


def run(params: Params) -> None:
    cases, truth = draw_registry(params.registry)
    with written_whole(paths.REGISTRY_CASES) as beside:
        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        pyarrow.csv.write_csv(pa.Table.from_pandas(cases, preserve_index=False), beside, options)
    write_table(truth, paths.REGISTRY_TRUTH)
