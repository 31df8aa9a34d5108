"""What a database can refuse; its exit status goes on where those of the service end."""

from __future__ import annotations

from features.errors import BackcastError


class DatabaseError(BackcastError):
    """A database that is not there, refuses the login, or cannot answer the query."""

    exit_status = 25
