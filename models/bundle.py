"""A model as a folder: what was learned, what it needs to be read again, and hashes over all of it.

    bundle.json    outcome, learner, predictors, recalibration, provenance, hash of code and of each file
    model.json     the linear learner, or the encoding of the trees
    model.ubj      the trees
    refits.json    the fifty refits on patient bootstraps, for intervals (their encodings, for trees)
    refits/NN.ubj  the trees of each refit
    refits.npy     the same as arrays, which are read at once and answer for a case or a few
    record/NAME.csv  the tables of the record it was learned from, where a study brings its own
    experience.json  what development saw of each predictor, how each and the risk were distributed, and its cases
                     in groups: no single one can be told

No pickle anywhere. Equal models give equal bytes, and so equal hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import BundleError
from features.knowledge_tables import own_tables, use_study
from features.predictors import Predictor
from models.encoding import Encoding, Floats
from models.experience import Seen, SimilarCases
from models.fitted import FittedModel, LinearModel, Recalibration, TreeModel, TreeStack

FORMAT = 2
EVIDENCE, RECORD = "evidence.json", "record"
HEAD_KEYS = {
    "outcome",
    "learner",
    "predictors",
    "recalibration",
    "builder_params",
    "development",
    "code_sha256",
    "files",
}
ROOT = Path(__file__).resolve().parent.parent
PREDICTING_MODULES = ("__init__", "bundle", "encoding", "experience", "fitted", "predictor", "tree_tables")
"""The modules of `models/` that predict; with all of `features/` they are what `code_sha256` covers."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A learned model with everything a prediction needs."""

    outcome: str
    outcome_label: str
    horizon_months: int
    learner: str
    hyperparameters: Mapping[str, Any]
    provenance: str
    predictors: tuple[Predictor, ...]
    recalibration: Recalibration
    builder_params: Mapping[str, Any]
    development: Mapping[str, Any]
    """Counts of the development cases, the share with the outcome, and the fingerprint of the set."""
    model: FittedModel
    refits: tuple[FittedModel, ...] = field(default=())
    stack: TreeStack | None = None
    """The refits as arrays, where they are trees and were read from a folder."""
    seen: Mapping[str, Seen]
    similar: SimilarCases
    distributions: Mapping[str, Any] = field(default_factory=dict)
    """`development_distributions`: what later answers are held against."""
    cohort: Mapping[str, Any] = field(default_factory=dict)
    """Whom it was developed on and what its label means: `minimum_age_years`, and the choices of `OutcomeParams`."""
    updates: tuple[Mapping[str, Any], ...] = field(default=())
    """What was changed at other sites, oldest first: `models.updating.update_facts`."""
    refit_recalibrations: tuple[Recalibration, ...] = field(default=())
    """One a refit, where a site's few cases make the recalibration itself uncertain; else all have the model's."""

    def recalibrated_refits(self, margins: Floats) -> Floats:
        """Calibrated log-odds of each refit, (n_refits, n_cases), from their margins."""
        if not self.refit_recalibrations:
            return self.recalibration(margins)
        intercepts, slopes = np.array([(each.intercept, each.slope) for each in self.refit_recalibrations]).T
        return intercepts[:, None] + slopes[:, None] * margins


@cache
def code_sha256(modules: tuple[str, ...] = PREDICTING_MODULES) -> str:
    """Hash of the code that predicts: `features/` with its tables, and the predicting part of `models/`."""
    digest = hashlib.sha256()
    for path in _code_files(modules):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _code_files(modules: tuple[str, ...] = PREDICTING_MODULES) -> list[Path]:
    features = [p for p in (ROOT / "features").rglob("*") if p.suffix in (".py", ".csv")]
    return sorted(features + [ROOT / "models" / f"{name}.py" for name in modules])


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and one value a line: equal contents give equal bytes."""
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_bundle(bundle: Bundle, folder: Path) -> str:
    """Write the bundle into a new folder and return its hash, that of `bundle.json`."""
    folder.mkdir(parents=True)
    files = _model_files(bundle) | {"experience.json": _experience(bundle)} | _record_files()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    head = {
        "format": FORMAT,
        "outcome": bundle.outcome,
        "outcome_label": bundle.outcome_label,
        "horizon_months": bundle.horizon_months,
        "learner": bundle.learner,
        "hyperparameters": dict(bundle.hyperparameters),
        "provenance": bundle.provenance,
        "predictors": [vars(predictor) for predictor in bundle.predictors],
        "recalibration": vars(bundle.recalibration),
        "builder_params": dict(bundle.builder_params),
        "development": dict(bundle.development),
        "cohort": dict(bundle.cohort),
        "updates": [dict(update) for update in bundle.updates],
        "refit_recalibrations": [vars(each) for each in bundle.refit_recalibrations],
        "explanation": bundle.model.explanation,
        "code_sha256": code_sha256(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    (folder / "bundle.json").write_text(canonical_json(head))
    return bundle_sha256(folder)


def _model_files(bundle: Bundle) -> dict[str, bytes]:
    if isinstance(bundle.model, LinearModel):
        refits = [refit.as_json() for refit in bundle.refits if isinstance(refit, LinearModel)]
        return {
            "model.json": canonical_json(bundle.model.as_json()).encode(),
            "refits.json": canonical_json(refits).encode(),
        }
    assert isinstance(bundle.model, TreeModel)
    trees = [refit for refit in bundle.refits if isinstance(refit, TreeModel)]
    arrays = {"refits.npy": TreeStack.of(trees).as_npy()} if trees else {}
    return {
        "model.json": canonical_json(bundle.model.encoding.as_json()).encode(),
        "refits.json": canonical_json([tree.encoding.as_json() for tree in trees]).encode(),
        "model.ubj": bundle.model.ubj,
        **{f"refits/{i:02d}.ubj": tree.ubj for i, tree in enumerate(trees)},
        **arrays,
    }


def _record_files() -> dict[str, bytes]:
    return {f"{RECORD}/{name}.csv": content for name, content in own_tables().items()}


def _experience(bundle: Bundle) -> bytes:
    seen = {name: limits._asdict() for name, limits in bundle.seen.items()}
    content = {"seen": seen, "similar": bundle.similar.as_json(), "distributions": bundle.distributions}
    return canonical_json(content).encode()


def bundle_sha256(folder: Path) -> str:
    """The hash that names a bundle: that of `bundle.json`, which holds the hashes of all other files."""
    return hashlib.sha256(_read(folder, "bundle.json")).hexdigest()


def read_head(folder: Path, keys: Collection[str] = HEAD_KEYS) -> dict[str, Any]:
    """`bundle.json` of a bundle folder.

    Raises
    ------
    BundleError
        If the folder is no bundle, of another format, or lacks one of the keys.
    """
    try:
        head: dict[str, Any] = json.loads(_read(folder, "bundle.json"))
    except json.JSONDecodeError as error:
        raise BundleError(f"{folder}: bundle.json is damaged ({error.msg}). Train the model again.") from None
    stated = head.get("format") if isinstance(head, dict) else None
    if stated != FORMAT:
        raise BundleError(f"{folder}: a bundle of format {stated}; this version reads {FORMAT}.")
    lacking = sorted(set(keys) - head.keys())
    if lacking:
        raise BundleError(f"{folder}: bundle.json lacks {', '.join(lacking)}. Train the model again.")
    return head


def read_bundle(folder: Path) -> Bundle:
    """A bundle from its folder, every file checked against its hash, and the code against its own.

    Raises
    ------
    BundleError
        If a file is missing or changed, or the code that would predict is not the code that the model
        was made with: Python caches modules by name, so a loaded model could silently run other code.
    """
    head = read_head(folder)
    files = checked_files(folder, head, head["outcome"], code_sha256())
    use_study(folder / RECORD if any(name.startswith(f"{RECORD}/") for name in files) else None)
    model, refits, stack = _read_models(files)
    experience = json.loads(files["experience.json"])
    return Bundle(
        outcome=head["outcome"],
        outcome_label=head["outcome_label"],
        horizon_months=head["horizon_months"],
        learner=head["learner"],
        hyperparameters=head["hyperparameters"],
        provenance=head["provenance"],
        predictors=tuple(Predictor(**{**row, "levels": tuple(row["levels"])}) for row in head["predictors"]),
        recalibration=Recalibration(**head["recalibration"]),
        builder_params=head["builder_params"],
        development=head["development"],
        model=model,
        refits=refits,
        stack=stack,
        seen={
            name: Seen(limits["lower"], limits["upper"], tuple(limits["choices"]))
            for name, limits in experience["seen"].items()
        },
        similar=SimilarCases.from_json(experience["similar"]),
        distributions=experience["distributions"],
        cohort=head.get("cohort", {}),
        updates=tuple(head.get("updates", ())),
        refit_recalibrations=tuple(Recalibration(**each) for each in head.get("refit_recalibrations", ())),
    )


def checked_files(folder: Path, head: Mapping[str, Any], question: str, loaded_sha256: str) -> dict[str, bytes]:
    """The files of a bundle by their names, none changed, for the code that is loaded here.

    Raises
    ------
    BundleError
        As `read_bundle`.
    """
    files = {name: _read(folder, name) for name in head["files"]}
    changed = [name for name, stored in head["files"].items() if hashlib.sha256(files[name]).hexdigest() != stored]
    if changed:
        raise BundleError(f"{folder}: {', '.join(changed)} changed since the model was made. Train it again.")
    if head["code_sha256"] != loaded_sha256:
        raise BundleError(
            f"{folder}: the model for {question} was made with code {head['code_sha256']}, but the code that "
            f"is loaded here is {loaded_sha256}. Load it in a process of its own, where its own code is first, "
            f"or train and register it again with `dvc repro`."
        )
    return files


def _read_models(files: Mapping[str, bytes]) -> tuple[FittedModel, tuple[FittedModel, ...], TreeStack | None]:
    """The model and its refits, and these as arrays where they are trees."""
    stored, refits = json.loads(files["model.json"]), json.loads(files["refits.json"])
    if "model.ubj" not in files:
        return LinearModel.from_json(stored), tuple(LinearModel.from_json(refit) for refit in refits), None
    encodings = [Encoding.from_json(refit) for refit in refits]
    trees = tuple(TreeModel(encoding, files[f"refits/{i:02d}.ubj"]) for i, encoding in enumerate(encodings))
    stack = TreeStack.from_npy(encodings, files["refits.npy"]) if trees else None
    return TreeModel(Encoding.from_json(stored), files["model.ubj"]), trees, stack


def read_evidence(folder: Path) -> dict[str, Any]:
    """What was found of a model after it was made, by completeness of the record; empty where nobody looked.

    `evidence.json` stands beside the bundle's own files and is in no hash: it says how good the model is, and
    changes nothing that it predicts.
    """
    path = folder / EVIDENCE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def read_distributions(folder: Path) -> dict[str, Any]:
    """How predictors and risk were distributed at development, of a bundle that any code made; empty if it kept none.

    Raises
    ------
    BundleError
        If a file is missing or changed.
    """
    head = read_head(folder)
    files = checked_files(folder, head, head["outcome"], head["code_sha256"])
    return dict(json.loads(files["experience.json"]).get("distributions", {}))


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError:
        raise BundleError(
            f"{folder}: {name} is missing, so this is no whole model. Run `dvc repro`, or name another folder."
        ) from None
