"""How often one client may ask: a bucket of tokens that fills again at a steady rate."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

CLIENTS_REMEMBERED = 10_000
"""Beyond these the one that asked longest ago is forgotten, and starts with a full bucket."""


class RateLimit:
    """Buckets by client.

    Parameters
    ----------
    per_second : float
        Tokens that come back each second.
    burst : int
        Tokens of a full bucket: requests that may come at once.

    Examples
    --------
    >>> limit = RateLimit(per_second=2, burst=1, clock=lambda: 0.0)
    >>> limit.seconds_to_wait("a"), limit.seconds_to_wait("a"), limit.seconds_to_wait("b")
    (0.0, 0.5, 0.0)
    """

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_second, float(burst), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, client: str) -> float:
        """Take a token: 0 where there is one, else the seconds until there is, and nothing is taken."""
        now = self._clock()
        tokens, before = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - before) * self._per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._per_second
        self._buckets[client] = (tokens - 1 if not wait else tokens, now)
        if len(self._buckets) > CLIENTS_REMEMBERED:
            self._buckets.popitem(last=False)
        return wait
