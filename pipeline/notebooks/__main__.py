"""`python -m pipeline.notebooks [NAME ...]`: execute the notebooks and render them to `data/notebooks/`."""

import sys

from pipeline.notebooks.making import main

sys.exit(main(sys.argv[1:]))
