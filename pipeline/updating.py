"""`backcast update`: the least change that another site's cases ask for, as a new model, or the word that none is.

    bundle/                  the updated model
    update.html, update.json the closed test, what it decided, and risks before and after
    model_card_before.html   of the model as it was
    model_card_after.html    of the updated one

The new version is registered with the alias `updated`. It becomes champion only where somebody asks for it: by the
rule of params.yaml, or on their own responsibility; the ledger tells which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
from scipy.special import logit

from features.dictionary import load_dictionary
from features.errors import FileFormatError
from models.bundle import read_head, write_bundle
from models.comparison import paired_differences
from models.encoding import Floats
from models.estimates import NORMAL_QUANTILE, as_stored
from models.fitted import Recalibration, sigmoid
from models.metrics import calibration_slope, case_log_loss, log_loss, net_benefit_name, paired_difference, performance
from models.promotion import FIRST, Decision, Rule, decision
from models.updating import (
    Site,
    Update,
    closed_test,
    out_of_fold,
    refit_lines,
    update_facts,
    updated_bundle,
)
from pipeline import ledger, paths, tracking
from pipeline.external_page import update_line
from pipeline.external_validation import main_threshold
from pipeline.files import whole_folder, write_json, write_text
from pipeline.intake import Reading
from pipeline.params import Params, load_params
from pipeline.promotion_rule import promotion_rule
from pipeline.run_contents import flat, run_params
from pipeline.scoring import LoadedModel
from pipeline.site_cases import SiteCases, one_model, site_cases
from pipeline.update_page import card, page

BUNDLE, RESULT, PAGE = "bundle", "update.json", "update.html"
BEFORE, AFTER = "model_card_before.html", "model_card_after.html"
Promote = Literal["never", "by-rule", "anyway"]
NOT_ASKED = Decision(False, "champion stays: nobody asked for promotion")
BY_HAND = Decision(True, "becomes champion by somebody's own decision, whatever the rule says")
JUDGED = "both on the site's cases, the update out of fold"


def update_file(
    path: Path, name: str, out: Path, *, level: float, promote: Promote, registers: bool, **reading: Unpack[Reading]
) -> str:
    """Update a model for the site of a file, write and register what was made, and say what was decided."""
    params = load_params()
    if out.resolve() in Path(name).resolve().parents:
        raise FileFormatError(
            f"--out {out} holds the model itself, {name}, which would be replaced. Name a new folder."
        )
    model = one_model(name)
    site = site_cases(path, model, params, **reading)
    asked = Site.of(site.risk, site.y, site.weights, site.patients)
    update = closed_test(asked, level)
    said = f"{len(asked.y):,} cases with a known outcome, {asked.events:,} had it. {update_line(update.as_json())}"
    if not update.changes:
        return f"{said}\nThe model stays as it is; nothing was made."
    lines = [said, f"The updated model and both cards are in {out}."]
    with whole_folder(out, (BUNDLE, RESULT, PAGE, BEFORE, AFTER)) as beside:
        made = write_update(Asked(site, asked, update, model, params), beside)
        if registers:
            with tracking.store() as client:
                lines.append(registered(client, made, beside, promote))
    return "\n".join(lines)


@dataclass(frozen=True)
class Asked:
    """A site's cases under a model, and what the closed test made of them."""

    site: SiteCases
    cases: Site
    update: Update
    model: LoadedModel
    params: Params


@dataclass(frozen=True)
class Made:
    """An updated model in its folder, with how it did on cases that had not updated it."""

    asked: Asked
    sha256: str
    head: Mapping[str, Any]
    out_of_fold: Floats
    """(n,) risks of the site's cases with a known outcome, each updated by the others."""
    figures: Mapping[str, Any]


# ---- the folder --------------------------------------------------------------------------------------


def write_update(asked: Asked, folder: Path) -> Made:
    """The updated bundle with its pages, into an empty folder."""
    bundle, cases = asked.model.predictor.bundle, asked.cases
    seed = asked.params.train.seed
    lines = refit_lines(refits_log_odds(asked), cases, asked.update.method, seed)
    known = asked.site.known
    facts = update_facts(
        asked.update,
        cases,
        parent_sha256=asked.model.predictor.sha256,
        fingerprint=asked.site.fingerprint(asked.model.predictor.sha256),
        centres=len(np.unique(asked.site.centres[known].astype(str))),
        provenance=asked.site.provenance,
    )
    new = updated_bundle(bundle, asked.update, lines, facts, asked.site.provenance)
    sha256 = write_bundle(new, folder / BUNDLE)
    judged = sigmoid(out_of_fold(cases, asked.update.level, seed))
    made = Made(asked, sha256, read_head(folder / BUNDLE), judged, figures(asked, judged))
    told = {"model": asked.model.uri, "sha256": sha256, **facts, "figures": made.figures, "moved": moved(asked, lines)}
    write_json(told, folder / RESULT)
    write_text(page(told, new), folder / PAGE)
    write_text(card(bundle, asked.model.predictor.sha256, asked.model.uri), folder / BEFORE)
    write_text(card(new, sha256, f"{asked.model.uri}, updated for a site"), folder / AFTER)
    return made


def refits_log_odds(asked: Asked) -> Floats:
    """(n_refits, n) calibrated log-odds of the site's known cases under each refit of the model as it was."""
    bundle, known = asked.model.predictor.bundle, asked.site.known
    columns = {name: values[known] for name, values in asked.site.columns.items()}
    margins = [refit.log_odds(columns) for refit in bundle.refits]
    return bundle.recalibrated_refits(np.array(margins).reshape(len(bundle.refits), int(known.sum())))


def figures(asked: Asked, judged: Floats) -> dict[str, Any]:
    """The model before and after on the site's cases, each updated by the others, and the paired differences."""
    cases, params = asked.cases, asked.params
    thresholds = sorted({*params.evaluate.thresholds, main_threshold(asked.model.predictor.bundle, params)})
    before = sigmoid(cases.log_odds)
    measured = {
        name: performance(cases.y, risk, thresholds=thresholds, seed=params.evaluate.seed, weights=cases.weights)
        | {"log_loss": log_loss(cases.y, risk, cases.weights)}
        for name, risk in (("before", before), ("after", judged))
    }
    differences = paired_differences(
        cases.y, judged, before, thresholds=thresholds, patients=cases.patients, weights=cases.weights
    )
    return {
        **{name: as_stored(found) for name, found in measured.items()},
        "differences": as_stored(differences),
    }


TOLD = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Risks of which a page says what they become."""


def moved(asked: Asked, lines: tuple[Recalibration, ...]) -> list[dict[str, float]]:
    """What becomes of a risk, with the interval of the update alone: what the site's cases leave open."""
    log_odds = logit(np.array(TOLD))
    new = asked.update.line(log_odds)
    spread = (
        np.std([line(log_odds) for line in lines], axis=0, ddof=1) if len(lines) > 1 else np.full(len(TOLD), np.nan)
    )
    limits = [sigmoid(new + sign * NORMAL_QUANTILE * spread) for sign in (-1, 1)]
    rows = zip(TOLD, sigmoid(new), *limits, strict=True)
    return [
        {"before": before, "after": float(after), "lower": float(low), "upper": float(high)}
        for before, after, low, high in rows
        if np.isfinite([low, high]).all()
    ]


# ---- the store ---------------------------------------------------------------------------------------


def registered(client: tracking.Client, made: Made, folder: Path, promote: Promote) -> str:
    """Register the updated model with the alias `updated`, write the decision down, then do it; say what was done."""
    outcome = made.head["outcome"]
    lines = ledger.lines(paths.promotions())
    ledger.refuse_contradictions(paths.promotions(), lines, tracking.ledger_witnesses(client))
    current = tracking.champion(client, outcome)
    decided, differences = decision_on(made, current, promote)
    known = tracking.registered_version(client, outcome, made.sha256)
    if known and current and str(known.version) == str(current.version):
        return f"It is {tracking.model_name(outcome)} version {known.version} already, and champion."
    if known and any(_is_same(line, made.sha256, decided) for line in lines):
        return f"It is {tracking.model_name(outcome)} version {known.version} already; {decided.verdict}."
    version = str(known.version) if known else _log(made, folder)
    name = tracking.model_name(outcome)
    tracking.describe_version(client, outcome, version, made.head, made.sha256)
    client.set_model_version_tag(name, version, "parent_bundle_sha256", made.asked.model.predictor.sha256)
    run_id = client.get_model_version(name, version).run_id
    line = ledger.append(
        paths.promotions(),
        {
            "outcome": outcome,
            "decision": "promoted" if decided.is_promoted else "updated",
            "verdict": f"{made_words(made)}; {decided.verdict}",
            "conditions": [asdict(condition) for condition in decided.conditions],
            "rule": rule_of(made).as_json()
            if promote == "by-rule"
            else {"promote": promote, "threshold": rule_of(made).threshold},
            "judged": JUDGED,
            "figures": {"cases": len(made.asked.cases.y), "differences": differences},
            "challenger": {
                "version": version,
                "run_id": run_id,
                "learner": made.head["learner"],
                "bundle_sha256": made.sha256,
            },
            "champion": tracking.of_champion(current),
            "made_from": made_from(made),
        },
    )
    client.set_registered_model_alias(name, tracking.UPDATED, version)
    if decided.is_promoted:
        client.set_registered_model_alias(name, tracking.CHAMPION, version)
    tracking.tag_with_line(client, line, decided.verdict)
    return f"Registered as {name} version {version}, alias {tracking.UPDATED}; {decided.verdict}."


def _is_same(line: Mapping[str, Any], sha256: str, decided: Decision) -> bool:
    return line["challenger"]["bundle_sha256"] == sha256 and line["verdict"].endswith(decided.verdict)


def made_words(made: Made) -> str:
    """What was done, for the ledger."""
    update = made.asked.update
    return f"updated ({update.method}) on {len(made.asked.cases.y)} cases of another site"


def made_from(made: Made) -> dict[str, str]:
    """Hashes of everything that the update was made from: the model as it was and the site's cases among them."""
    return {
        **tracking.checkout(),
        "code_sha256": made.head["code_sha256"],
        # Neither the cases of development nor those of the site alone: a later challenger is judged on its own.
        "development": f"{made.head['development']['fingerprint']}+{made.head['updates'][-1]['fingerprint']}",
        "parent_bundle_sha256": made.asked.model.predictor.sha256,
        "provenance": made.head["provenance"],
    }


def _log(made: Made, folder: Path) -> str:
    outcome, bundle = made.head["outcome"], folder / BUNDLE
    pages = [file for file in sorted(folder.iterdir()) if file.is_file()]
    update = made.head["updates"][-1]
    about = {f"update.{key}": update[key] for key in ("method", "level", "cases", "events", "centres")}
    metrics = {
        **flat(made.figures["before"], "site_before"),
        **flat(made.figures["after"], "site_out_of_fold"),
        **flat(made.figures["differences"], "site_difference"),
    }
    return tracking.log_model_run(
        outcome,
        bundle,
        made.sha256,
        params=run_params(outcome, made.head) | about,
        metrics=metrics,
        tags={**made_from(made), "learner": made.head["learner"]},
        files={f"update/{file.name}": file for file in pages},
    )


# ---- promotion ---------------------------------------------------------------------------------------


def rule_of(made: Made) -> Rule:
    params = made.asked.params
    return promotion_rule(params.register, main_threshold(made.asked.model.predictor.bundle, params))


def decision_on(made: Made, current: Any | None, promote: Promote) -> tuple[Decision, dict[str, Any]]:
    """Whether the update becomes champion, and the differences from what it was held against.

    By the rule it is held against the present champion on the site's cases, each under an update by the others;
    its calibration slope is that of the same risks. Else the differences are those from the model as it was.
    """
    if promote != "by-rule":
        return (BY_HAND if promote == "anyway" else NOT_ASKED), dict(made.figures["differences"])
    if current is None:
        return FIRST, dict(made.figures["differences"])
    cases, rule = made.asked.cases, rule_of(made)
    theirs = champion_risks(made, current)
    thresholds = sorted({*made.asked.params.evaluate.thresholds, rule.threshold})
    differences = paired_differences(
        cases.y, made.out_of_fold, theirs, thresholds=thresholds, patients=cases.patients, weights=cases.weights
    )
    losses = [case_log_loss(cases.y, risk) for risk in (made.out_of_fold, theirs)]
    decided = decision(
        paired_difference(losses[0], losses[1], cases.patients, cases.weights),
        differences[net_benefit_name(rule.threshold)],
        calibration_slope(cases.y, made.out_of_fold, cases.weights),
        rule,
    )
    return decided, as_stored(differences)


def champion_risks(made: Made, current: Any) -> Floats:
    """Risks of the present champion for the site's known cases; it runs where its own code is loaded."""
    asked = made.asked
    if current.tags.get("bundle_sha256") == asked.model.predictor.sha256:
        return sigmoid(asked.cases.log_odds)
    preoperative = {variable.name for variable in load_dictionary().known_by("preoperative")}
    cases = asked.site.cases[asked.site.known]
    sent = cases[[name for name in cases.columns if name in preoperative]]
    uri = f"models:/{tracking.model_name(made.head['outcome'])}/{current.version}"
    return tracking.predictions_elsewhere(uri, sent).to_numpy(dtype=np.float64)
