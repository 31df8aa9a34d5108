"""`CauseModel`: what is known of why operations fail, tracked and loaded like a model that was learned.

Nothing in it was fitted. What tells two versions apart is what they know and what they were told to choose:

    bundle.json    the question, the choices, the hash of the code with its tables, the hash of each file
    knowledge/     the tables of the question, for people to read; the code has its own, by the same hash

It imports neither shap nor scikit-learn, and nothing of the answer that people see: see `models/workup.py`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from features.axes import CAUSES
from features.builders import BuilderParams
from features.cause_tables import Cause, CauseFinding, cause_findings, causes, evidence
from features.causes import CauseEvidence, CauseParams, cause_evidence, flag_names_at_followup
from features.errors import BundleError
from features.followup import FollowUp
from features.knowledge_tables import KNOWLEDGE
from features.record import refuse_problems, value_problems, wrong_columns
from models.bundle import FORMAT, bundle_sha256, canonical_json, checked_files, code_sha256, read_head

QUESTION = "cause"
PROVENANCE = "knowledge"
"""In place of a registry: nothing was learned of any."""
OWN_TABLES = (
    "causes",
    "cause_findings",
    "cause_evidence",
    "investigations",
    "treatments",
    "treatment_confirmations",
    "treatment_goals",
    "contraindications",
    "followup_red_flags",
)
"""The tables of this question; it also reads those of the first, whose builders it runs again."""
HEAD_KEYS = {"question", "choices", "provenance", "code_sha256", "files"}
JUDGING_MODULES = ("__init__", "bundle", "cause_model", "encoding", "experience", "fitted", "tree_tables")
"""The modules of `models/` that judge a case; with all of `features/` they are what its `code_sha256` covers."""


class CauseModel:
    """The knowledge with its choices, ready to judge.

    Parameters
    ----------
    params : CauseParams
    builder_params : BuilderParams
        Of the first question's builders, which read the follow-up again.
    sha256 : str
        Hash of its bundle.
    """

    question = QUESTION
    provenance = PROVENANCE

    def __init__(self, params: CauseParams, builder_params: BuilderParams, sha256: str) -> None:
        self.params, self.builder_params, self.sha256 = params, builder_params, sha256

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From a bundle folder.

        Raises
        ------
        BundleError
            If it is another model's, a file is missing or changed, or other code made it.
        """
        head = read_head(folder, HEAD_KEYS)
        checked_files(folder, head, QUESTION, code_sha256(JUDGING_MODULES))
        choices = head["choices"]
        return cls(CauseParams(**choices["cause"]), BuilderParams(**choices["derive"]), bundle_sha256(folder))

    @property
    def code_sha256(self) -> str:
        return code_sha256(JUDGING_MODULES)

    @property
    def choices(self) -> dict[str, Any]:
        """What two honest teams could choose differently, by section of `params.yaml`."""
        return chosen(self.params, self.builder_params)

    @property
    def causes(self) -> tuple[Cause, ...]:
        return causes()

    @property
    def findings(self) -> tuple[CauseFinding, ...]:
        return cause_findings()

    def evidence(self, followup: FollowUp) -> CauseEvidence:
        """What speaks for and against each cause, for n cases: the one place where a cause is judged."""
        return cause_evidence(followup, self.params, self.builder_params)

    def predict(self, cases: pd.DataFrame) -> pd.DataFrame:
        """One row a case: what is likely, and how much each finding says for each cause.

        Parameters
        ----------
        cases : DataFrame
            Records in the dictionary's layout, as known by the follow-up. A column that is absent, and a
            value that is empty, are not recorded. It is not changed.

        Returns
        -------
        DataFrame
            The index of the cases. `red_flags` in words, empty where none is raised; `first_cause`; by cause
            `likelihood_<cause>` a word, `rank_<cause>`, `log_odds_<cause>`, `prior_<cause>`; by each pair of
            cause and finding of the evidence `points_<cause>.<finding>`. The log-odds of a cause are its
            prior plus its points. Missing are all but `red_flags` under a red flag, and what is said of a
            cause that cannot be.

        Raises
        ------
        TimingError, ColumnsError, ValuesError
            For a variable known only later, an unknown column, a value outside range or choices; all
            problems at once.
        """
        refuse_problems("the cases", wrong_columns(cases.columns, "follow_up", required=()))
        refuse_problems("the cases", value_problems(cases))
        followup = FollowUp(cases)
        return self._as_frame(self.evidence(followup), flag_names_at_followup(followup), cases.index)

    def _as_frame(self, found: CauseEvidence, flags: list[str], index: pd.Index) -> pd.DataFrame:
        is_calm = np.array([not names for names in flags], dtype=bool)
        is_told, nothing = is_calm[:, None] & found.is_possible, np.array(None, dtype=object)
        likelihood = np.where(is_told, found.likelihood, nothing)
        first = np.where(is_calm, np.array(CAUSES, dtype=object)[found.first], nothing)
        columns: dict[str, Any] = {"red_flags": np.array(flags, dtype=object), "first_cause": first}
        numbers = {"rank": found.rank, "log_odds": found.log_odds, "prior": found.prior}
        for place, cause in enumerate(CAUSES):
            columns[f"likelihood_{cause}"] = likelihood[:, place]
            for name, values in numbers.items():
                columns[f"{name}_{cause}"] = np.where(is_told[:, place], values[:, place], np.nan)
        for at, finding in self.pairs:
            said = found.points[:, at, finding]
            columns[f"points_{CAUSES[at]}.{self.findings[finding].name}"] = np.where(is_told[:, at], said, np.nan)
        return pd.DataFrame(columns, index=index)

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Places of each cause and finding of which the evidence says anything."""
        facts = evidence()
        return list(dict.fromkeys(zip(facts.cause.tolist(), facts.finding.tolist(), strict=True)))


def chosen(params: CauseParams, builder_params: BuilderParams) -> dict[str, Any]:
    return {"cause": _plain(params), "derive": _plain(builder_params)}


def _plain(params: CauseParams | BuilderParams) -> dict[str, Any]:
    return {
        field.name: dict(value) if isinstance(value := getattr(params, field.name), Mapping) else value
        for field in dataclasses.fields(params)
    }


def write_cause_model(params: CauseParams, builder_params: BuilderParams, folder: Path) -> str:
    """Write what this checkout knows, with these choices, into a new folder; returns its hash."""
    (folder / "knowledge").mkdir(parents=True)
    files = {f"knowledge/{name}.csv": (KNOWLEDGE / f"{name}.csv").read_bytes() for name in OWN_TABLES}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    head = {
        "format": FORMAT,
        "question": QUESTION,
        "choices": chosen(params, builder_params),
        "provenance": PROVENANCE,
        "code_sha256": code_sha256(JUDGING_MODULES),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    (folder / "bundle.json").write_text(canonical_json(head))
    return bundle_sha256(folder)


def is_cause_model(folder: Path) -> bool:
    """Whether a bundle folder holds this model, and not one of an outcome.

    Raises
    ------
    BundleError
        If it is no bundle.
    """
    try:
        head = json.loads((folder / "bundle.json").read_bytes())
    except (OSError, ValueError):
        raise BundleError(f"{folder} is no bundle: bundle.json is missing or damaged.") from None
    return isinstance(head, dict) and head.get("question") == QUESTION


def knowledge_files(folder: Path) -> list[Path]:
    """The tables in a bundle folder."""
    return sorted((folder / "knowledge").glob("*.csv"))


def card_lines(model: CauseModel) -> list[str]:
    """The model's card: what it is, what it rests on, what it is not."""
    rows = evidence().rows
    published = sum(row["basis"] == "ratio" for row in rows)
    shared = sum(row["basis"] == "mimic" for row in rows)
    memory = sum("memory" in str(row["status"]) or row["status"] == "mixed" for row in rows)
    return [
        "# backcast-cause",
        "",
        f"After an operation on the lumbar spine that failed: {len(CAUSES)} causes, each judged on its own and then "
        f"ranked, by {len(model.findings)} findings. It is knowledge, and no fitted model: no registry taught it. The "
        f"log-odds of a cause are its share among failures of that kind of operation plus the points of each finding "
        f"that was sought, and they add up exactly.",
        "",
        f"Of {len(rows)} pairs of cause and finding {published} rest on published accuracies, {shared} on the tests of "
        f"sacroiliac joint, hip and piriformis as the first question reads them, and "
        f"{len(rows) - published - shared} on ordered rules in three strengths (an expert's assignment). {memory} rows "
        f"are quoted in part or whole from memory. Each row has its source and status.",
        "",
        "It says likely, possible, less likely or unlikely, and no percentage: the shares behind it come from case "
        "series, and nobody has calibrated it on patients. It is an aid for a surgeon who examines the patient. Under "
        "a red flag it ranks nothing. How it does on the virtual registry stands in the report; that registry shares "
        "its published accuracies, so it flatters.",
    ]
