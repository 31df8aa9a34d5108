"""A cluster that cannot be used; exit statuses go on where those of the other packages end."""

from __future__ import annotations

from features.errors import BackcastError


class ClusterError(BackcastError):
    """No Dask, a scheduler that does not answer, or a worker that has other code, sees no file or is lost."""

    exit_status = 28
