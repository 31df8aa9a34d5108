"""A REDCap server that cannot be asked; exit statuses go on where those of the other sources end."""

from __future__ import annotations

from features.errors import BackcastError


class RedcapServerError(BackcastError):
    """No token, an address that would betray it, a server that refuses, is away, or is no REDCap."""

    exit_status = 27
