"""When, where, with what: stages, parameters, paths, tracking, command line, virtual registry."""

import os

# Linear algebra over several threads adds in another order each time. One thread, set before numpy is
# imported, is what makes two runs give the same bytes; loops use both cores by other means.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
