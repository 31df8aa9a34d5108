"""A folder of Parquet files, checked and scored part by part by the workers of a Dask cluster.

`parts.py` says what is to be done, from the footers alone; `work.py` what a worker does with one part; `cluster.py` who
does it; `gathering.py` what only the whole can show; `receipts.py` what a finished part says of itself.
"""
