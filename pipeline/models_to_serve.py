"""Models on their way into service: fetched from MLflow into a folder, by a process that ends when they are there.

MLflow takes seconds to load, and a service has no other use for it. What was fetched last stays in the
folder, so that a clinic can start while the tracking store is down.

    served.json   the names under which they were registered, and the hash of each
    <sha256>/     a bundle
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from features.errors import BackcastError, BundleError, TrackingError
from models.bundle import bundle_sha256
from models.cause_model import is_cause_model, write_cause_model
from pipeline.files import read_json, write_json
from pipeline.params import Params

SERVED = "served.json"
REGISTERED = ("models:/", "runs:/")
OWN_KNOWLEDGE = "knowledge of this checkout"
"""The name of the model of causes where none was registered or named."""
Named = tuple[str, Path]
"""A model: the name under which it is known, and the folder of its bundle."""


class Fetching:
    """A fetch under way, so that the service can load its own code meanwhile."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.models_to_serve", str(folder), *names],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def finished(self) -> str | None:
        """Wait for it: None when it is done, or why the store could not be reached.

        Raises
        ------
        BackcastError
            If the store answered, and what it has cannot be served.
        """
        _, said = self._process.communicate()
        words = said.strip().splitlines()
        last = "\n".join(line for line in words if line.strip())[-2000:]
        if self._process.returncode == 0:
            return None
        if self._process.returncode == TrackingError.exit_status:
            return last
        raise BundleError(last or "The models could not be fetched.")


def models_to_serve(names: Sequence[str], folder: Path, fetching: Fetching | None) -> list[Named]:
    """The models to load: the named bundle folders, or what was fetched.

    Parameters
    ----------
    names : sequence of str
        Bundle folders, or registered models; none for every champion.
    folder : Path
        Where fetched models are kept.
    fetching : Fetching or None
        The fetch to wait for; None to take what was fetched before.

    Raises
    ------
    BundleError, TrackingError
        If there are none.
    """
    if names and all(not name.startswith(REGISTERED) for name in names):
        return [(name, Path(name)) for name in names]
    unreached = fetching.finished() if fetching else None
    found = fetched(folder)
    if unreached and (names or not found):
        raise TrackingError(unreached)
    if unreached:
        logging.getLogger("backcast.service").warning("MLflow cannot be reached: serving the models fetched before")
    if not found:
        raise TrackingError(f"{folder} holds no models. Start without --fetched, while MLflow can be reached.")
    return found


def needs_fetching(names: Sequence[str]) -> bool:
    return not names or any(name.startswith(REGISTERED) for name in names)


def fetched(folder: Path) -> list[Named]:
    """What was fetched last, in the order in which it is answered."""
    listed = folder / SERVED
    if not listed.is_file():
        return []
    return [(model["uri"], folder / model["sha256"]) for model in read_json(listed)["models"]]


def fetch(folder: Path, names: Sequence[str]) -> None:
    """Take the named models, or every champion, into a folder; the list of them is written last.

    Raises
    ------
    TrackingError
        If the store cannot be reached.
    BundleError
        If there is no champion, or a model was made with other code than would serve it.
    """
    from pipeline import tracking
    from pipeline.scoring import NO_CHAMPION, bundle_folder, uris_or_champions

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, tracking.store() as client:
        uris = uris_or_champions(client, names)
        if not uris:
            raise BundleError(NO_CHAMPION)
        causes = None if names else tracking.champion_uri(client, tracking.CAUSE)
        uris += [causes] if causes else []
        found = []
        for number, uri in enumerate(uris):
            bundle = bundle_folder(client, uri, Path(scratch) / str(number))
            found.append({"uri": uri, "sha256": _kept(bundle, folder)})
    write_json({"models": found}, folder / SERVED)


def by_question(found: Sequence[Named], params: Params, scratch: Path) -> tuple[tuple[Named, ...], Named]:
    """The models of outcomes, and that of causes; where none was named, what this checkout itself knows of them.

    Raises
    ------
    BundleError
        If two of causes are named.
    """
    of_causes = [named for named in found if is_cause_model(named[1])]
    if len(of_causes) > 1:
        raise BundleError(f"One model of causes can be served; named are {', '.join(uri for uri, _ in of_causes)}.")
    if not of_causes:
        write_cause_model(params.cause, params.applied_builders, scratch / "causes")
        of_causes = [(OWN_KNOWLEDGE, scratch / "causes")]
    return tuple(named for named in found if named not in of_causes), of_causes[0]


def _kept(bundle: Path, folder: Path) -> str:
    """Copy a bundle under its hash, whole or not at all."""
    sha256 = bundle_sha256(bundle)
    if not (folder / sha256).is_dir():
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            shutil.copytree(bundle, Path(beside) / "bundle").rename(folder / sha256)
    return sha256


def main() -> None:
    folder, *names = sys.argv[1:]
    try:
        fetch(Path(folder), names)
    except BackcastError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
