"""What keeps a service from starting; exit statuses go on where those of the prediction record end."""

from __future__ import annotations

from features.errors import BackcastError


class ServiceError(BackcastError):
    """An address without its token, a token that others can read, a port that is taken, a missing certificate."""

    exit_status = 24
