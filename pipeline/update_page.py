"""An update and a model as pages: what was decided and why, and a card of one bundle, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.bundle import Bundle, code_sha256
from pipeline.external_page import MAIN, p_value, update_line
from pipeline.reporting.page import rendered
from pipeline.reporting.performance_tables import cell, digits_of, metric_cell

COMPARED = (*(name for name in MAIN if name != "auroc"), "log_loss")
"""Not the AUROC: one line leaves the order of risks as it is, and a line in each fold would blur it."""


def page(told: Mapping[str, Any], bundle: Bundle) -> str:
    """The decision of an update, what it changes, and how it did on cases that had not updated it."""
    found = told["figures"]
    return rendered(
        "update.html.j2",
        it=told,
        bundle=bundle,
        said=update_line(told),
        rows=[
            {
                "metric": name,
                "before": metric_cell(found["before"], name),
                "after": metric_cell(found["after"], name),
                "difference": cell(found["differences"].get(name), max(3, digits_of(name))),
            }
            for name in COMPARED
        ],
        p_value=p_value,
    )


def card(bundle: Bundle, sha256: str, name: str) -> str:
    """A model card of one bundle, from what the bundle itself knows."""
    groups: dict[str, list[str]] = {}
    for predictor in bundle.predictors:
        groups.setdefault(predictor.group, []).append(predictor.label)
    return rendered(
        "bundle_card.html.j2", bundle=bundle, sha256=sha256, name=name, code=code_sha256(), groups=groups,
        said=[update_line(update) for update in bundle.updates],
    )  # fmt: skip
