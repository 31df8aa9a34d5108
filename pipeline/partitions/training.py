"""Trees grown by the workers of a Dask cluster, through XGBoost's own interface, where a study asks for it.

The encoded rows are divided among the workers in order; each builds the histograms of its rows, and their sums decide.
So the trees depend on how many workers there are, and on nothing else of them.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from xgboost.collective import Config

from models.encoding import Floats
from models.learners import Grow, grown_here
from pipeline.partitions.cluster import ANSWER_SECONDS, Workers, cluster, refuse_unfit_workers
from pipeline.partitions.errors import ClusterError

if TYPE_CHECKING:
    from dask.array import Array
    from distributed import Client

SCHEDULER = "DASK_SCHEDULER_ADDRESS"
"""Dask's own name for it: where a study is trained is nobody's choice but of who trains it."""
LOOK_SECONDS = 1
"""How often it is asked whether every worker is still there: XGBoost would wait for one that is lost."""
REPLACED_SECONDS = 60
"""For the workers to be as many again after one was lost."""
ATTEMPTS = 2
SCHEDULER_LOST = "The scheduler is lost. Nothing was written: start it again, then the same command."
STDERR = 2
LOCALHOST = "127.0.0.1"


class WorkerLostError(Exception):
    """A worker ended while it grew trees."""


@contextmanager
def grower(n_workers: int | None) -> Iterator[Grow]:
    """What grows trees: this process, or so many workers for as long as the context lasts.

    The workers are those of the scheduler that `DASK_SCHEDULER_ADDRESS` names, or processes of this machine.

    Raises
    ------
    ClusterError
        As `cluster`, and if the scheduler has too few workers or they have other code or libraries than this process.
    """
    if n_workers is None:
        yield grown_here
        return
    scheduler = os.environ.get(SCHEDULER)
    with cluster(Workers(scheduler, n_workers)) as client:
        if not _are_there(client, n_workers, ANSWER_SECONDS):
            raise ClusterError(
                f"The scheduler {client.scheduler.address} has {len(client.nthreads())} of the {n_workers} workers "
                f"that train.dask_workers asks for. Start more: with another number the trees would be others."
            )
        growers = Growers(client, n_workers, is_local=scheduler is None)
        growers.admit()
        yield growers.grow


@dataclass(frozen=True)
class Growers:
    """So many workers of a cluster that grow one set of trees at a time together."""

    client: Client
    n_workers: int
    is_local: bool
    _admitted: set[str] = field(default_factory=set)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def grow(self, trees: xgb.XGBClassifier, columns: Floats, labels: NDArray[np.int64], weights: Floats) -> None:
        """Fit trees in place. Where a worker is lost they are begun again, once as many are there: the same trees.

        Raises
        ------
        ClusterError
            If workers are lost again, or not replaced, or the scheduler is lost.
        """
        values = {"data": columns.astype(np.float32), "label": labels, "weight": weights}  # XGBoost's own precision
        with self._one_at_a_time:
            for _ in range(ATTEMPTS):
                if not _are_there(self.client, self.n_workers, REPLACED_SECONDS):
                    break
                self.admit()
                try:
                    booster = self.client.sync(
                        _booster, self.client, self.n_workers, _settings(trees), trees.n_estimators, values, self._host
                    )
                except WorkerLostError:
                    continue
                trees.load_model(booster.save_raw("ubj"))
                return
        raise ClusterError(
            f"A worker was lost while trees were grown, and {self.n_workers} could not finish them. Is their memory "
            f"too small? Nothing was written: start again with all of them, or with another number "
            f"(train.dask_workers)."
        )

    @property
    def _host(self) -> str | None:
        """Where XGBoost counts its workers; it finds out by itself where that is not this machine."""
        return LOCALHOST if self.is_local else None

    def admit(self) -> None:
        """Refuse workers that came since the last look and have other code or libraries.

        Raises
        ------
        ClusterError
        """
        there = set(self.client.nthreads())
        if there <= self._admitted:
            return
        refuse_unfit_workers(self.client, [])
        if self.is_local:
            self.client.run(_silent)
        self._admitted.update(there)


def _silent() -> None:
    """Let a worker of this machine say no more: XGBoost prints each one's rank, whatever verbosity is asked for."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDERR)


def _settings(trees: xgb.XGBClassifier) -> dict[str, Any]:
    """Of the trees; each worker uses the threads that it was given, on which no number depends."""
    return {name: value for name, value in trees.get_xgb_params().items() if name != "nthread"}


def _are_there(client: Client, n_workers: int, seconds: float) -> bool:
    try:
        client.wait_for_workers(n_workers, timeout=seconds)
    except TimeoutError:
        return False
    except (OSError, ValueError):
        raise ClusterError(SCHEDULER_LOST) from None
    return True


async def _booster(
    client: Client,
    n_workers: int,
    settings: Mapping[str, Any],
    n_rounds: int,
    values: Mapping[str, NDArray[Any]],
    host: str | None,
) -> xgb.Booster:
    """The trees that so many workers grow together, in the event loop of the client.

    Raises
    ------
    WorkerLostError
    ClusterError
        If the scheduler is lost.
    """
    workers = _by_rank(await _known(client))[:n_workers]
    growing = asyncio.ensure_future(_trained(client, workers, settings, n_rounds, values, host))
    try:
        while not growing.done():
            await asyncio.wait([growing], timeout=LOOK_SECONDS)
            if not growing.done():
                await _refuse_lost(client, workers)
        return growing.result()
    except WorkerLostError:
        raise
    except Exception:
        await asyncio.sleep(LOOK_SECONDS)  # what a lost worker breaks is heard of before the loss itself
        await _refuse_lost(client, workers)
        raise
    finally:
        growing.cancel()


async def _trained(
    client: Client,
    workers: list[str],
    settings: Mapping[str, Any],
    n_rounds: int,
    values: Mapping[str, NDArray[Any]],
    host: str | None,
) -> xgb.Booster:
    import xgboost.dask as xgb_dask

    divided = {name: await _divided(client, workers, value) for name, value in values.items()}
    rows = await xgb_dask.DaskQuantileDMatrix(client, **divided)
    found = await xgb_dask.train(
        client, dict(settings), rows, num_boost_round=n_rounds, coll_cfg=Config(tracker_host_ip=host)
    )
    return found["booster"]


async def _divided(client: Client, workers: list[str], values: NDArray[Any]) -> Array:
    """The values as blocks of rows, one with each worker, in the order of the workers."""
    import dask.array as da

    blocks = np.array_split(values, len(workers))
    held = [
        await client.scatter(block, workers=[worker], hash=False) for worker, block in zip(workers, blocks, strict=True)
    ]
    return da.concatenate(
        [da.from_delayed(one, shape=block.shape, dtype=block.dtype) for one, block in zip(held, blocks, strict=True)]
    )


def _by_rank(workers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Addresses in the order in which XGBoost numbers the workers: sums depend on who comes first."""
    return sorted(workers, key=lambda address: f"[xgboost.dask-{workers[address]['name']}]:{address}")


async def _known(client: Client) -> Mapping[str, Mapping[str, Any]]:
    """Every worker of the scheduler by its address."""
    if client.status != "running":
        raise ClusterError(SCHEDULER_LOST)
    try:
        return (await client.scheduler.identity(n_workers=-1))["workers"]
    except (OSError, ValueError):
        raise ClusterError(SCHEDULER_LOST) from None


async def _refuse_lost(client: Client, workers: list[str]) -> None:
    if set(workers) - set(await _known(client)):
        raise WorkerLostError
