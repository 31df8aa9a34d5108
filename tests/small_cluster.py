"""A cluster of two worker processes of this machine, for tests of what workers do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dask.config
import pytest

from pipeline.partitions.cluster import Workers, cluster

if TYPE_CHECKING:
    from distributed import Client


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """For all tests of a module; Dask's configuration holds what connects to it."""
    with cluster(Workers(processes=2)) as client:
        keys = {"ca-file": "tls_ca_file", "client.key": "tls_client_key", "client.cert": "tls_client_cert"}
        tls = {f"distributed.comm.tls.{name}": getattr(client.security, own) for name, own in keys.items()}
        with dask.config.set(tls):
            yield client
