"""Who does the work: the workers of a scheduler that is named, or of a cluster of this machine's own.

`distributed` is imported when it is asked for. A remote scheduler's certificates and timeouts are Dask's own
configuration (`distributed.comm.tls`, `DASK_…` in the environment).
"""

from __future__ import annotations

import logging
import signal
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import BackcastError
from pipeline.partitions.code import code_and_sight, difference, installed
from pipeline.partitions.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

    from pipeline.partitions.parts import Part
    from pipeline.partitions.work import Done

ANSWER_SECONDS = 10
"""For a scheduler to answer, and for its first worker to be there."""
ALONE_SECONDS = 60
"""Without any worker, before it is given up; a worker that was killed is back within seconds."""
AHEAD = 2
"""Parts that each worker is given at a time: one to work on, one to go on with."""
POLL_SECONDS = 5
LOST = "The scheduler is lost. Start it again, then the same command: what is finished is kept."
LOCAL = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,  # a worker holds one part, which is of no use on a disk
    "distributed.worker.memory.pause": False,
    # without Dask's MALLOC_TRIM_THRESHOLD_: memory that is given back after each array costs a third of the time
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1, "MKL_NUM_THREADS": 1,
        "TQDM_DISABLE": 1,
    },
}  # fmt: skip
"""Of a cluster of this machine: one thread a process, no progress bar but that of the whole."""


@dataclass(frozen=True)
class Workers:
    """Who is to do the work: a scheduler's workers, or so many processes of this machine."""

    scheduler: str | None = None
    processes: int | None = None

    def for_parts(self, n: int) -> Workers:
        """The same without the processes of this machine for which there is no part: they would want memory too."""
        return self if self.processes is None else Workers(self.scheduler, min(self.processes, n))


@contextmanager
def cluster(workers: Workers) -> Iterator[Client]:
    """A client of the named scheduler, or of so many processes of this machine, which end with it.

    The memory of this machine, or of its container, is divided among the processes: one that wants more is ended.

    Raises
    ------
    ClusterError
        If `distributed` is not installed, the scheduler does not answer, or it has no worker.
    """
    try:
        import dask.config
        from distributed import Client
    except ImportError:
        raise ClusterError("Dask is not installed: pip install 'backcast[dask]'.") from None
    scheduler = workers.scheduler
    for name in ("distributed", "distributed.client"):  # what matters of their troubles is said by us
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        address: Any = scheduler
        if scheduler is None:
            stack.enter_context(dask.config.set(LOCAL))
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="backcast-", ignore_cleanup_errors=True))
            with _deaf_to_interrupts():
                address = stack.enter_context(_local(workers.processes, scratch))
        client = stack.enter_context(_connected(Client, address))
        try:
            client.wait_for_workers(1, timeout=ANSWER_SECONDS)
        except TimeoutError:
            raise ClusterError(f"The scheduler {scheduler} has no worker. Start one: dask worker {scheduler}") from None
        yield client


def _local(processes: int | None, scratch: str) -> LocalCluster:
    """Processes of this machine, whom nobody else who works on it can reach: the connections are encrypted."""
    from distributed import LocalCluster, Security
    from distributed.system import MEMORY_LIMIT

    return LocalCluster(
        n_workers=processes, threads_per_worker=1, processes=True, host="127.0.0.1", security=Security.temporary(),
        dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}, silence_logs=logging.CRITICAL,
        memory_limit=MEMORY_LIMIT // (processes or 1), local_directory=scratch,
    )  # fmt: skip


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A key that interrupts this process reaches none that is begun within: it ends them itself, without their words.

    Threads begun within begin processes later that are deaf too, such as one in place of a worker that was lost.
    """
    resource_tracker.ensure_running()  # whatever begins it later hears again
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def _connected(kind: type[Client], address: Any) -> Client:
    """A client of a scheduler, which has to answer within some seconds, and as one.

    Raises
    ------
    ClusterError
    """

    class InTime(kind):  # type: ignore[misc, valid-type]
        """Dask bounds the time for a connection, and not that for the first word over it."""

        def start(self, **how: Any) -> None:
            super().start(callback_timeout=2 * ANSWER_SECONDS, **how)

    try:
        return InTime(address, timeout=ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        said = str(error).removesuffix(".")
        raise ClusterError(f"The scheduler {address} does not answer: {said}. Name it as tcp://HOST:PORT.") from None
    except Exception as error:  # of any kind: it comes from bytes that are none of Dask's
        raise ClusterError(
            f"No connection to {address} as to a scheduler: {type(error).__name__}: {error}. Is another program there, "
            f"such as Dask's own dashboard? For tls:// Dask's configuration names the certificates "
            f"(distributed.comm.tls)."
        ) from None


def refuse_unfit_workers(client: Client, seen: Iterable[Path]) -> None:
    """Refuse workers that have other code or libraries, or do not see these files: all of them at once.

    Raises
    ------
    ClusterError
    """
    problems = []
    for address, answer in client.run(code_and_sight, [str(path) for path in seen], on_error="return").items():
        if isinstance(answer, BaseException):
            problems.append(f"{address} has no Backcast, or another version of it ({type(answer).__name__}: {answer})")
            continue
        said = difference(answer["installed"], installed())
        if said:
            problems.append(f"{address} has other code than yours: {said}")
        if answer["unseen"]:
            first, n = answer["unseen"][0], len(answer["unseen"])
            problems.append(f"{address} does not see {first}" + (f" and {n - 1} more files" if n > 1 else ""))
    if problems:
        lines = "\n".join(f"  - worker {problem}" for problem in problems)
        raise ClusterError(
            f"Workers that cannot be used: {len(problems)}.\n{lines}\nEvery worker needs this version of Backcast and "
            f"these libraries, and the same folders under the same names."
        )


def done_by_workers(
    client: Client, parts: Iterable[Part], work: Callable[..., Done], *args: Any
) -> Iterator[tuple[Part, Done]]:
    """What the workers leave of each part, as they finish; no more than a few parts a worker are under way.

    A part whose worker is lost is given to another. After an error no further part is begun, those under way are
    finished, and the errors are raised together.

    Raises
    ------
    ClusterError
        If a part ends one worker after the other, or all workers or the scheduler are lost.
    BackcastError
        What a worker could not do, such as write.
    """
    waiting = iter(parts)
    under_way: dict[Future, Part] = {}
    errors: list[BackcastError] = []
    idle = 0.0
    while True:
        workers = _workers(client)
        for part in _next(waiting, 0 if errors else max(AHEAD * workers, 1) - len(under_way)):
            under_way[client.submit(work, part, *args, pure=False, retries=0)] = part
        if not under_way:
            break
        for future in _finished(under_way):
            part, error = under_way.pop(future), future.exception()
            if error is None:
                yield part, future.result()
            else:
                errors.append(_in_words(part, error))
            future.release()
        idle = 0.0 if workers else idle + POLL_SECONDS
        if idle >= ALONE_SECONDS:
            raise ClusterError("All workers are lost. Start new ones; what is finished is kept.")
    if errors:
        raise _together(errors)


def _finished(under_way: Collection[Future]) -> Collection[Future]:
    """Those that are done by now, or within some seconds; it may be none."""
    from distributed import wait

    try:
        return list(wait(list(under_way), timeout=POLL_SECONDS, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []
    except CancelledError:
        raise ClusterError(LOST) from None


def _workers(client: Client) -> int:
    try:
        return len(client.nthreads())
    except (OSError, ValueError):
        raise ClusterError(LOST) from None


def _next(parts: Iterator[Part], n: int) -> Iterator[Part]:
    for _ in range(n):
        part = next(parts, None)
        if part is None:
            return
        yield part


def _in_words(part: Part, error: BaseException) -> BackcastError:
    """What went wrong with a part; a fault of ours is raised as it is."""
    if isinstance(error, BackcastError):
        return error
    if isinstance(error, CancelledError):
        return ClusterError(LOST)
    if type(error).__name__ == "KilledWorker":
        return ClusterError(
            f"{part.name} ended one worker after the other. Is it too large for their memory? Divide it into smaller "
            f"parts, or ask for fewer workers."
        )
    raise error


def _together(errors: list[BackcastError]) -> BackcastError:
    said = list(dict.fromkeys(str(error) for error in errors))
    kind = min((type(error) for error in errors), key=lambda kind: kind.exit_status)
    return kind("\n".join([*said, "What is finished is kept: the same command goes on from there."]))
