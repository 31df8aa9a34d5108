"""What `backcast check` and `backcast score` do with a folder of parts."""

from __future__ import annotations

import datetime as dt
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from features.dictionary import Known
from features.errors import FileFormatError
from features.knowledge_tables import own_tables
from pipeline import tracking
from pipeline.batch_file import Said
from pipeline.files import write_json
from pipeline.only_one import only_one
from pipeline.partitions.cluster import Workers, cluster, done_by_workers, refuse_unfit_workers
from pipeline.partitions.code import difference, installed, predicting
from pipeline.partitions.gathering import refuse_all
from pipeline.partitions.parts import Part, parts_of
from pipeline.partitions.receipts import Receipt, receipt_of
from pipeline.partitions.work import Asked, Done, check_part, score_part
from pipeline.scoring import LoadedModel, loaded_models, provenance_of, summary_lines
from pipeline.sources.records import folder_sha256

MANIFEST, MODELS, LOCK = "_manifest.json", ".models", ".lock"
"""Names that readers of a folder of Parquet files pass over."""


def check_parts(folder: Path, moment: Known, workers: Workers) -> str:
    """Is every part fit? Every problem of the whole folder at once, and in words what was checked.

    Raises
    ------
    BackcastError
        With every problem; `ClusterError` if the workers cannot be used.
    """
    parts = parts_of(folder)
    with cluster(workers.for_parts(len(parts))) as client:
        refuse_unfit_workers(client, [part.path for part in parts])
        done = _shown(parts, done_by_workers(client, parts, check_part, _asked(moment)), "check")
    refuse_all(str(folder), {part: each.found for part, each in done.items()})
    n_cases = sum(part.rows for part in parts)
    return f"{folder}: {n_cases} cases in {len(parts)} parts, {len(parts[0].columns)} variables, no problem."


def score_parts(folder: Path, out: Path, names: Sequence[str], workers: Workers) -> str:
    """Score every part under every model into a part of the same name, log the batch, and say what was done.

    Parts that were finished before from the same input are not scored again. The manifest appears last: a folder
    without one is not a scored batch.

    Raises
    ------
    BackcastError
        With every problem of every part; what is finished is kept. `FileFormatError` while another process scores
        into the folder.
    """
    parts = parts_of(folder)
    _refuse_out(out, folder, parts)
    with _alone_in(out):
        return _score_parts(folder, parts, out, names, workers)


def _score_parts(folder: Path, parts: Sequence[Part], out: Path, names: Sequence[str], workers: Workers) -> str:
    with _shared_models(names, out) as models:
        _refuse_others(out, parts, models)
        (out / MANIFEST).unlink(missing_ok=True)
        bundles = {model.predictor.sha256: _bundle_place(out, model) for model in models}
        with cluster(workers.for_parts(len(parts))) as client:
            refuse_unfit_workers(client, [*bundles.values(), *(part.path for part in parts)])
            asked = _asked("preoperative")
            done = _shown(parts, done_by_workers(client, parts, score_part, asked, out.resolve(), bundles), "score")
    refuse_all(str(folder), {part: each.found for part, each in done.items()})
    said = _said_in_sum(done)
    manifest = _manifest(done, said)
    run_id = _logged(out, manifest, said, models)
    write_json(manifest, out / MANIFEST)
    return _summary(out, said, models, done, run_id)


def _asked(moment: Known) -> Asked:
    return Asked(moment, dt.date.today(), installed(), own_tables())


def _shown(parts: Sequence[Part], answers: Iterator[tuple[Part, Done]], what: str) -> dict[Part, Done]:
    """The answers in the order of the parts, under a progress bar of cases as they come in."""
    done = {}
    with tqdm(total=sum(part.rows for part in parts), unit="case", unit_scale=True, desc=what, disable=None) as bar:
        for part, each in answers:
            done[part] = each
            bar.set_postfix_str(f"{len(done)} of {len(parts)} parts", refresh=False)
            bar.update(part.rows)
    return {part: done[part] for part in parts}


def _refuse_out(out: Path, folder: Path, parts: Sequence[Part]) -> None:
    """Refuse a folder for the output that would mix with anything else.

    Raises
    ------
    FileFormatError
    """
    if folder.resolve() in (out.resolve(), *out.resolve().parents) or out.resolve() in folder.resolve().parents:
        raise FileFormatError(f"--out {out} and {folder} lie in one another. Name another folder.")
    if out.exists() and not out.is_dir():
        raise FileFormatError(f"--out {out} is a file. With --workers or --scheduler name a folder for the parts.")
    names = {part.name for part in parts}
    there = [path.name for path in out.iterdir()] if out.exists() else []
    other = sorted(name for name in there if not name.startswith(".") and name not in names and name != MANIFEST)
    if other:
        raise FileFormatError(
            f"--out {out} holds {', '.join(other)}, which is no part of {folder}. Take it away, or name another folder."
        )


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """No other process scores into the folder meanwhile.

    Raises
    ------
    FileFormatError
        If one does, or nothing can be written there.
    """
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(only_one(out / LOCK, partial(_in_use, out)))
        except OSError as error:
            raise FileFormatError(f"--out {out} cannot be written: {error.strerror}. Name another folder.") from None
        yield


def _in_use(out: Path, holder: str) -> FileFormatError:
    return FileFormatError(f"--out {out} is being written by {holder}: wait until it ends, or name another folder.")


def _refuse_others(out: Path, parts: Sequence[Part], models: Sequence[LoadedModel]) -> None:
    """Refuse parts in the output that were made by other models or other code.

    Raises
    ------
    FileFormatError
        Naming every one of them.
    """
    wanted = _sha256s(models)
    said = []
    for part in parts:
        target = out / part.name
        if not target.exists():
            continue
        receipt = receipt_of(target)
        if receipt is None:
            said.append(f"{part.name} says nothing of what it was made from")
        elif dict(receipt.models) != wanted:
            said.append(f"{part.name} was made by other models")
        elif other := difference(dict(receipt.made_with), predicting()):
            said.append(f"{part.name} was made with other code: {other}")
    if said:
        lines = "\n".join(f"  - {line}" for line in said)
        raise FileFormatError(
            f"--out {out} holds parts of another batch.\n{lines}\nName another folder, or take them away."
        )


def _sha256s(models: Sequence[LoadedModel]) -> dict[str, str]:
    return {model.predictor.bundle.outcome: model.predictor.sha256 for model in models}


@contextmanager
def _shared_models(names: Sequence[str], out: Path) -> Iterator[list[LoadedModel]]:
    """The models, their bundles for so long in a folder that every worker sees, since the output's own is one.

    What a process that was killed left behind is taken away too.
    """
    try:
        with loaded_models(names) as models:
            shutil.rmtree(out / MODELS, ignore_errors=True)
            for model in models:
                _copy_bundle(model, out)
        yield models
    finally:
        _swept(out)


def _copy_bundle(model: LoadedModel, out: Path) -> None:
    assert model.folder is not None
    try:
        shutil.copytree(model.folder, _bundle_place(out, model))
    except OSError as error:  # which has no reason of its own where it stands for several files
        why = error.strerror or "the models could not be copied into it"
        raise FileFormatError(f"--out {out} cannot be written: {why}. Make room, or name another folder.") from None


def _bundle_place(out: Path, model: LoadedModel) -> Path:
    return (out / MODELS / model.predictor.sha256).resolve()


def _swept(out: Path) -> None:
    """Away with the copies of the models, and with what a killed worker had begun to write."""
    shutil.rmtree(out / MODELS, ignore_errors=True)
    for begun in out.glob(".*") if out.is_dir() else ():
        if ".parquet." in begun.name.lower():
            shutil.rmtree(begun) if begun.is_dir() else begun.unlink()


def _receipts(done: Mapping[Part, Done]) -> dict[Part, Receipt]:
    return {part: each.receipt for part, each in done.items() if each.receipt is not None}


def _said_in_sum(done: Mapping[Part, Done]) -> dict[str, Said]:
    """What the parts say of each outcome together."""
    each = [receipt.said for receipt in _receipts(done).values()]
    return {outcome: _in_sum([said[outcome] for said in each]) for outcome in each[0]}


def _in_sum(parts: Sequence[Said]) -> Said:
    with_risk = sum(part.with_risk for part in parts)
    summed = math.fsum(part.with_risk * part.mean_risk for part in parts if part.with_risk)
    return Said(summed / with_risk if with_risk else math.nan, sum(part.flagged for part in parts), with_risk)


def _manifest(done: Mapping[Part, Done], said: Mapping[str, Said]) -> dict[str, Any]:
    """What the whole batch was made from and what it says in sum; a mean risk of no case is null."""
    receipts = _receipts(done)
    first = next(iter(receipts.values()))
    return {
        "cases": sum(receipt.cases for receipt in receipts.values()),
        "input_sha256": folder_sha256({part.name: receipt.input_sha256 for part, receipt in receipts.items()}),
        "models": dict(first.models),
        "made_with": dict(first.made_with),
        "outcomes": {
            outcome: each._asdict() | ({} if each.with_risk else {"mean_risk": None}) for outcome, each in said.items()
        },
        "parts": [
            {
                "name": part.name,
                "cases": receipt.cases,
                "input_sha256": receipt.input_sha256,
                "sha256": done[part].output_sha256,
            }
            for part, receipt in receipts.items()
        ],
    }


def _logged(out: Path, manifest: Mapping[str, Any], said: Mapping[str, Said], models: Sequence[LoadedModel]) -> str:
    with tracking.store():
        return tracking.log_parts(
            [out / part["name"] for part in manifest["parts"]],
            models={model.predictor.bundle.outcome: model.uri for model in models},
            input_sha256=manifest["input_sha256"],
            n_cases=manifest["cases"],
            provenance=provenance_of(models),
            mean_risks={outcome: each.mean_risk for outcome, each in said.items()},
        )


def _summary(
    out: Path, said: Mapping[str, Said], models: Sequence[LoadedModel], done: Mapping[Part, Done], run_id: str
) -> str:
    n_cases = sum(part.rows for part in done)
    lines = summary_lines(n_cases, said, models, f"{out} ({len(done)} parts)", run_id)
    reused = sum(each.is_reused for each in done.values())
    if reused:
        lines.insert(1, f"  {reused} of the parts were finished before.")
    peak = max(each.peak_bytes for each in done.values()) / 1e9
    lines.insert(1, f"  The most memory that a worker had: {peak:.1f} GB.")
    return "\n".join(lines)
