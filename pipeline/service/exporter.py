"""The way to MLflow, in a process of its own that the service starts and watches; no request waits for it."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from pathlib import Path

from pipeline.service.logs import event

AFTER_AN_END = 2.0
"""Seconds before it is started again; doubled each time, so that one that cannot start costs little."""
LONGEST_PAUSE = 300.0
TO_STOP = 10.0
"""Seconds in which it may finish what it began."""
ROOM_FOR_WORDS = 2000


class Exporter:
    """`backcast export` as a child of this process.

    The child ends with its parent, however that ends, and then somebody else may export.
    """

    def __init__(self, record: Path, seconds: float) -> None:
        self._command = ("export", "--store", str(record), "--every", f"{seconds:g}", "--with-parent")
        self._own = (f"{record}:", "backcast:")
        self._child: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._watch = asyncio.create_task(self._keep_running(), name="exporter")

    async def stop(self) -> None:
        """Let it finish what it began."""
        if self._watch:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        if self._child and self._child.returncode is None:
            self._child.terminate()
            try:
                async with asyncio.timeout(TO_STOP):
                    await self._child.wait()
            except TimeoutError:
                self._child.kill()
                await self._child.wait()

    async def _keep_running(self) -> None:
        pause = AFTER_AN_END
        while True:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "pipeline.cli", *self._command,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            event("exporter started", process=self._child.pid)
            await self._pass_on(self._child)
            status = await self._child.wait()
            event("exporter ended; it starts again", logging.WARNING, exit_status=status, after_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    async def _pass_on(self, child: asyncio.subprocess.Process) -> None:
        """What it says itself goes to the log; what libraries say there may quote anything, and is counted."""
        assert child.stderr is not None
        withheld = 0
        while line := await _line(child.stderr):
            words = line.decode("utf-8", "replace").strip()
            if words.startswith(self._own):
                event("exporter", says=words[:ROOM_FOR_WORDS])
            else:
                withheld += 1
        if withheld:
            event("exporter: lines of libraries withheld", lines=withheld)


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # a line longer than the buffer: what was read of it is gone
        return b"\n"
