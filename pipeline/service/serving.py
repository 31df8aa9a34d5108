"""`backcast serve`: the door checked, the fetch of the models begun, and then the service run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.models_to_serve import Fetching, needs_fetching
from pipeline.params import load_params
from pipeline.service.settings import Door, read_token, refuse_open_door


def serve(
    names: Sequence[str], *, host: str | None, port: int | None, store: Path | None, token_file: Path | None,
    certfile: Path | None, keyfile: Path | None, is_fetched: bool, exports: bool,
) -> None:  # fmt: skip
    """Serve the named models, or every champion, until SIGTERM or SIGINT; requests in flight are answered first.

    Raises
    ------
    ServiceError
        If the address needs a token, or cannot be had.
    BundleError, TrackingError
        If there is nothing to serve.
    RecordError
        If the record is another's, or cannot be written.
    """
    params = load_params()
    door = Door(
        host=host or params.service.host,
        port=params.service.port if port is None else port,
        token=read_token(token_file),
        certfile=certfile,
        keyfile=keyfile,
    )
    refuse_open_door(door)
    _without_scikit_learn()
    fetching = Fetching(Path(params.service.models), names) if needs_fetching(names) and not is_fetched else None
    from pipeline.service.running import run  # its imports take about as long as the fetch, beside which they run

    run(params, names, door, store or Path(params.record.store), fetching, exports=exports)


def _without_scikit_learn() -> None:
    """Keep XGBoost from loading what only learning needs: it would take as long as the rest of the service."""
    sys.modules.setdefault("sklearn", None)  # type: ignore[arg-type]
