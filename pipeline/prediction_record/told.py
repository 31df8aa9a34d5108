"""A past answer told and drawn again from what was stored, without the model that gave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from features.dictionary import load_dictionary
from features.knowledge_tables import knowledge_table
from features.outcomes import outcome_label, outcome_names
from features.words import percent
from models.predictor import VIRTUAL_CAUTION
from models.story import NOT_A_VERDICT, PIECES, red_flag_line
from pipeline.prediction_record.reading import CAUSE, Kept

COUNTS = 0.005
"""A contribution nearer to 0 is not told."""


def told(entries: Sequence[Kept], verified: str) -> list[str]:
    """Paragraphs on a prediction and all that was attached to it, the earliest first.

    Parameters
    ----------
    entries : sequence of Kept
        As `Reader.entries_of` gives them.
    verified : str
        A sentence on the chain, for the head of the story.
    """
    made, *later = entries
    head = f"Prediction {made.entry.prediction_id}, made {_day(made)}: entry {made.entry.sequence} of the record. "
    erasure = next((kept for kept in later if kept.entry.kind == "erasure"), None)
    if made.content is None:
        when = f" on {_day(erasure)}" if erasure else ""
        return [f"{head}{verified}", f"Its content was erased{when}; that it was made is all that is kept."]
    answer = made.content["answer"]
    return [
        f"{head}{verified}",
        *_answer_lines(answer),
        *[line for kept in later for line in _attached_lines(kept)],
        "\n".join([*_caution_lines(answer), answer.get("is_not") or NOT_A_VERDICT]),
    ]


def _day(kept: Kept) -> str:
    return f"{kept.entry.made_at[:10]} {kept.entry.made_at[11:16]} UTC"


def _answer_lines(answer: Mapping[str, Any]) -> list[str]:
    asked = "; ".join(
        [f"Question: {answer.get('question', 'not recorded')}"]
        + [f"{name}: {_told_of(answer[name])}" for name in ("completeness", "provenance") if answer.get(name)]
    )
    if answer.get("question") == CAUSE:
        return [asked + ".", *_work_up_lines(answer)]
    flags = answer.get("red_flags") or []
    if flags:
        return [asked + ".", red_flag_line(", ".join(map(_flag, flags)))]
    told = [asked + ".", *("\n".join(outcome_lines(outcome)) for outcome in answer.get("outcomes", []))]
    for title, name in (("Sources", "sources"), ("The plan", "plan"), ("Mimics", "mimics"), ("Next", "next_test")):
        said = [part for part in map(_said, _listed(answer.get(name))) if part]
        told += [f"{title}: " + "; ".join(said)] if said else []
    return told


def _told_of(part: Any) -> str:
    """A word, or what an object calls itself."""
    return str(part.get("label") or part) if isinstance(part, Mapping) else str(part)


def _work_up_lines(answer: Mapping[str, Any]) -> list[str]:
    """A work-up as it was told then, and what gave it."""
    model = answer.get("model") or {}
    given_by = f"Given by: {model.get('uri', 'a model')}"
    given_by += f", SHA-256 {model['sha256'][:12]}." if model.get("sha256") else "."
    return ["\n".join(answer.get("story") or ["Nothing was told."]), given_by]


def outcome_lines(outcome: Mapping[str, Any]) -> list[str]:
    """The risk of one outcome against its base rate, what moved it, and what gave it."""
    line = f"Risk of {outcome['outcome']} ({outcome.get('label') or _label(outcome['outcome'])})"
    line += f" within {outcome['horizon_months']} months: " if outcome.get("horizon_months") else ": "
    if outcome.get("risk") is None:
        return [line + "none was given."]
    line += percent(outcome["risk"])
    if outcome.get("risk_lower") is not None and outcome.get("risk_upper") is not None:
        line += f" (95 % interval of the model {percent(outcome['risk_lower'])} to {percent(outcome['risk_upper'])})"
    if outcome.get("base_rate") is not None:
        line += f", where {percent(outcome['base_rate'])} of the development cases had it"
    model = outcome.get("model") or {}
    given_by = f"  given by: {model.get('uri', 'a model')} ({model.get('learner', 'learner not recorded')})"
    if model.get("sha256"):
        given_by += f", SHA-256 {model['sha256'][:12]}"
    return [line + ".", *_moved_by(outcome), given_by]


def _moved_by(outcome: Mapping[str, Any]) -> list[str]:
    contributions = labelled_contributions(outcome)
    lines = ["  what moved it, in log-odds:"] if len(contributions) else []
    for title, part in (
        ("raised by", contributions[contributions > COUNTS].nlargest(PIECES)),
        ("lowered by", contributions[contributions < -COUNTS].nsmallest(PIECES)),
    ):
        pieces = [f"{label} {value:+.2f}" for label, value in part.items()]
        lines += [f"    {title}: " + ("; ".join(pieces) or "nothing that counts")] if len(contributions) else []
    groups = outcome.get("groups") or {}
    if groups:
        lines.append("    by group: " + "; ".join(f"{group} {value:+.2f}" for group, value in groups.items()))
    return lines


def labelled_contributions(outcome: Mapping[str, Any]) -> pd.Series:
    """The stored contributions of one outcome in log-odds, by the labels of the predictors.

    A predictor that this version no longer has keeps its name.
    """
    labels = knowledge_table("predictors").set_index("predictor")["label"]
    stored = outcome.get("contributions") or {}
    named = {name: float(value) for name, value in stored.items() if value is not None}
    return pd.Series(named, dtype=float).rename(lambda name: labels.get(name, name))


OF_A_CAUSE = "log-odds of this cause: to the right speaks for it, to the left against it"


def labelled_points(cause: Mapping[str, Any]) -> pd.Series:
    """What each finding added to the log-odds of a cause, by its words."""
    said = [*cause.get("for", []), *cause.get("against", [])]
    return pd.Series([one["points"] for one in said], index=[one["label"] for one in said], dtype=float)


def _flag(flag: Any) -> str:
    return str(flag.get("red_flag") or flag.get("name") or "") if isinstance(flag, Mapping) else str(flag)


def _listed(part: Any) -> list[Any]:
    if not part:
        return []
    return list(part) if isinstance(part, list | tuple) else [part]


def _said(part: Any) -> str:
    """What a part of an answer says for itself: its text, or its label with side and the share or probability it has.

    A flag by rule that was not raised says nothing.
    """
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        return ""
    if part.get("flag", 1) != 1:
        return ""
    words = next((str(part[name]) for name in ("text", "label", "name") if part.get(name)), "")
    words += f", {part['side']}" if part.get("side") and str(part["side"]) not in words else ""
    share = next((part[name] for name in ("support", "probability") if isinstance(part.get(name), int | float)), None)
    return f"{words} ({percent(share)})" if words and share is not None else words


def _label(outcome: str) -> str:
    return outcome_label(outcome) if outcome in outcome_names() else "not in the table of outcomes"


def _attached_lines(kept: Kept) -> list[str]:
    if kept.content is None or kept.entry.kind == "erasure":
        return []
    if kept.entry.kind == "outcome":
        said = [f"{name} {_label_words(name, label)}" for name, label in kept.content["labels"].items()]
        return [f"Outcome, attached {_day(kept)}: " + "; ".join(said) + "."]
    said = [f"{name} {value}" for name, value in kept.content.items() if isinstance(value, str | int | float)]
    return [f"Feedback, {_day(kept)}: " + "; ".join(said) + "."]


def _label_words(name: str, label: int | str | None) -> str:
    if isinstance(label, str):
        known = dict(load_dictionary()[name].choices) if name in load_dictionary() else {}
        return f"is {known.get(label, label)}"
    return {1: "happened", 0: "did not happen", None: "not known"}[label]


def _caution_lines(answer: Mapping[str, Any]) -> list[str]:
    cautions = [_said(caution) for caution in answer.get("cautions") or []]
    if answer.get("provenance") == "virtual":
        cautions.insert(0, VIRTUAL_CAUTION)
    return [f"Caution: {caution}" for caution in dict.fromkeys(cautions) if caution]


def waterfalls(answer: Mapping[str, Any], folder: Path, name: str) -> list[Path]:
    """A waterfall picture of each outcome that has contributions, or of each likely cause, in files of that name."""
    from models.drawing import save, waterfall  # shap and matplotlib

    drawn = []
    for cause in answer.get("causes") or []:
        points = labelled_points(cause)
        if cause.get("likelihood") != "likely" or points.empty:
            continue
        picture = folder / f"{name}_{cause['cause']}.png"
        title = f"{cause['label']}: {cause['likelihood']}, as answered"
        save(waterfall(points, cause["prior_log_odds"], None, title, meaning=OF_A_CAUSE), picture)
        drawn.append(picture)
    for outcome in answer.get("outcomes", []):
        contributions = labelled_contributions(outcome)
        if contributions.empty or outcome.get("risk") is None:
            continue
        title = f"{outcome['outcome']}: risk {percent(outcome['risk'])}, as answered"
        if answer.get("provenance") == "virtual":
            title += "  (virtual registry: not for patients)"
        picture = folder / f"{name}_{outcome['outcome']}.png"
        save(waterfall(contributions, outcome["base_log_odds"], None, title), picture)
        drawn.append(picture)
    return drawn
