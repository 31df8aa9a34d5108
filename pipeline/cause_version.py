"""The model of causes as a version in MLflow: its run, its card, and the alias `champion`.

It is knowledge, and no figure of one registry decides over it: what this checkout knows is champion. Each
move of the alias is a line of the ledger all the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.cause_model import CauseModel, card_lines, knowledge_files, write_cause_model
from pipeline import ledger, paths, tracking
from pipeline.files import read_json, write_text
from pipeline.params import Params

FIRST = "becomes champion: there was none"
NEWER = "becomes champion: it is what this checkout knows"
RULE = {"knowledge": "what the checkout knows that registers last is champion"}
LEARNER = "knowledge"
EXAMPLE = (
    "initial_relief_percent",
    "pain_free_interval_months",
    "followup_nrs_back",
    "followup_nrs_leg",
    "operated_decompression_l4_l5_left",
    "followup_slr_left",
    "followup_crp_mg_l",
)
"""What the invented record of the example holds of a follow-up."""


def register_causes(client: tracking.Client, params: Params) -> None:
    """Register what this checkout knows of causes, unless it is, and let it be champion."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        sha256 = write_cause_model(params.cause, params.applied_builders, folder)
        current = tracking.champion(client, tracking.CAUSE)
        known = tracking.registered_version(client, tracking.CAUSE, sha256)
        if known and current and known.version == current.version:
            print(f"register: {tracking.CAUSE} is version {known.version} already, and champion")
            return
        model = CauseModel.load(folder)
        tags = {**tracking.checkout(), "code_sha256": model.code_sha256, "provenance": model.provenance}
        version = str(known.version) if known else _log(model, folder, tags, Path(scratch))
        _describe(client, model, version)
        _promote(client, model, version, current, tags)


def _log(model: CauseModel, folder: Path, tags: Mapping[str, str], scratch: Path) -> str:
    write_text("\n".join(card_lines(model)) + "\n", scratch / "card.md")
    example = tracking.synthetic_example(EXAMPLE)
    figures = read_json(paths.CAUSES_SUMMARY) if paths.CAUSES_SUMMARY.exists() else {}
    return tracking.log_cause_run(
        folder, model.sha256, model.predict(example), example,
        params=dict(_leaves(model.choices)),
        metrics={
            name.replace(".", "/"): float(value)
            for name, value in _leaves(figures)
            if isinstance(value, int | float)
        },
        tags={**tags, "learner": LEARNER},
        files={"card.md": scratch / "card.md", **{f"knowledge/{path.name}": path for path in knowledge_files(folder)}},
    )  # fmt: skip


def _leaves(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """
    Examples
    --------
    >>> list(_leaves({"cause": {"burden": {"ct": 2}}, "seed": 1}, "a"))
    [('a.cause.burden.ct', 2), ('a.seed', 1)]
    """
    for name, value in content.items():
        place = f"{above}.{name}" if above else name
        if isinstance(value, Mapping):
            yield from _leaves(value, place)
        else:
            yield place, value


def _describe(client: tracking.Client, model: CauseModel, version: str) -> None:
    name = tracking.model_name(tracking.CAUSE)
    tags = {"bundle_sha256": model.sha256, "code_sha256": model.code_sha256, "learner": LEARNER}
    for key, value in {**tags, "provenance": model.provenance}.items():
        client.set_model_version_tag(name, version, key, value)
    client.update_model_version(name, version, description=" ".join(card_lines(model)[1:]).strip())


def _promote(
    client: tracking.Client, model: CauseModel, version: str, current: Any | None, tags: Mapping[str, str]
) -> None:
    """Write it down, then do it: the alias follows the ledger, never the other way round."""
    name, verdict = tracking.model_name(tracking.CAUSE), NEWER if current else FIRST
    run_id = client.get_model_version(name, version).run_id
    line = ledger.append(
        paths.promotions(),
        {
            "outcome": tracking.CAUSE,
            "decision": "promoted",
            "verdict": verdict,
            "conditions": [],
            "rule": RULE,
            "judged": None,
            "figures": {},
            "challenger": {
                "version": version,
                "run_id": run_id,
                "learner": LEARNER,
                "bundle_sha256": model.sha256,
            },
            "champion": tracking.of_champion(current),
            "made_from": dict(tags),
        },
    )
    client.set_registered_model_alias(name, tracking.CHAMPION, version)
    tracking.tag_with_line(client, line, verdict)
    print(f"register: {tracking.CAUSE} is version {version} ({LEARNER}); {verdict}")
