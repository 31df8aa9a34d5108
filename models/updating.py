"""Is a model right at another site, and what is the least that puts it right there?

Three models compete: the original; the original with another intercept (recalibration in the large); with another
intercept and slope (recalibration). A closed test takes the least that the site's cases ask for: first it asks
whether the most that is offered is better than nothing, and then, only if so, whether less would do. So what needs
no change is changed in no more than `level` of sites, and the slope, which few cases know, only where they insist.
All coefficients anew would be another model: they are not offered.

Every update is one line on the log-odds, new = intercept + slope x old. Composed with the model's own recalibration
it is one `Recalibration` again, and contributions keep adding up exactly.

References
----------
Vergouwe et al., Stat Med 2017;36:4529-4539 (the closed test; here without its last step, model revision).
Rao & Scott, Ann Stat 1984;12:46-60 (likelihood ratios of weighted cases, by the mean of the design effects).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import chi2
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from features.errors import OutcomeError
from models.bundle import Bundle
from models.encoding import Floats, rounded
from models.estimates import (
    Estimate,
    are_equal,
    at_bounds,
    constant,
    judged,
    problem,
    too_few,
    with_normal_interval,
)
from models.fitted import Recalibration
from models.training import patient_resamples

Method = Literal["original", "intercept", "intercept and slope"]
ORIGINAL: Method = "original"
INTERCEPT: Method = "intercept"
INTERCEPT_AND_SLOPE: Method = "intercept and slope"
METHODS: tuple[Method, ...] = (ORIGINAL, INTERCEPT, INTERCEPT_AND_SLOPE)
"""From the least to the most; the place of each is the number of its parameters."""
KEPT = "as it was"
FEWEST_PER_CLASS = 10
"""Cases with the outcome, and without, below which nothing is changed: an intercept would have a standard error above
0.3 even where all else is known, and many resamples would hold one kind of case alone."""
FOLDS = 10
"""In which an updated model is judged on cases that did not update it."""
SPARE_RESAMPLES = 4
"""Resamples drawn for each refit, since one that holds one kind of case alone knows no intercept."""


@dataclass(frozen=True)
class Site:
    """Cases of another site under a model, all with a known outcome and a risk: arrays of (n,).

    `log_odds` are the model's calibrated ones; `weights` have a mean of 1 and stand for those censored.
    """

    log_odds: Floats
    y: Floats
    weights: Floats
    patients: NDArray[Any]

    @classmethod
    def of(cls, risk: Floats, y: Floats, weights: Floats, patients: NDArray[Any]) -> Site:
        """The cases that count among these: those of weight 0 are left out.

        Raises
        ------
        OutcomeError
            If an update cannot be asked of them: one kind of case alone, too few of either, one risk for all.
        """
        counts = np.asarray(weights) > 0
        y_known, p, w = judged(y, risk, weights=weights)
        reason = problem(y_known, p, w) or _too_few_to_update(y_known, w) or at_bounds(p) or constant(p)
        if reason:
            raise OutcomeError(f"An update cannot be asked of these cases: {reason}. The model stays as it is.")
        return cls(logit(p), y_known, w, np.asarray(patients)[counts])

    @property
    def events(self) -> int:
        return int(self.y.sum())

    def rows(self, rows: NDArray[np.intp]) -> Site:
        return Site(self.log_odds[rows], self.y[rows], self.weights[rows], self.patients[rows])


def _too_few_to_update(y: Floats, w: Floats) -> str | None:
    events = int((y == 1).sum())
    fewest = min(events, len(y) - events)
    if fewest and fewest < FEWEST_PER_CLASS:
        return f"{events} had the outcome and {len(y) - events} did not; at least {FEWEST_PER_CLASS} of each are needed"
    return too_few(y, w)


# ---- the fit and the test ----------------------------------------------------------------------------


class Fit(NamedTuple):
    """One of the three models at a site: its line, how well it explains the outcomes, how sure it is.

    The covariances are of what was fitted, intercept first: `covariance` robust where cases have weights,
    `as_counted` as if each weight were a number of cases. Without weights they are one.
    """

    line: Recalibration
    log_likelihood: float
    covariance: Floats
    as_counted: Floats


class Comparison(NamedTuple):
    """A likelihood ratio test: does `larger` explain the outcomes better than `smaller`, beyond chance?"""

    smaller: Method
    larger: Method
    statistic: float
    freedom: int
    p_value: float
    is_significant: bool


@dataclass(frozen=True)
class Update:
    """What a closed test decided, with every number it rests on.

    `line` is what becomes of the log-odds; `estimates` hold intercept and slope of each of the three methods,
    chosen or not: what a method leaves as it was has no interval.
    """

    method: Method
    level: float
    line: Recalibration
    tests: tuple[Comparison, ...]
    estimates: Mapping[Method, tuple[Estimate, Estimate]]

    @property
    def changes(self) -> bool:
        return self.method != ORIGINAL

    @property
    def intercept(self) -> Estimate:
        return self.estimates[self.method][0]

    @property
    def slope(self) -> Estimate:
        return self.estimates[self.method][1]

    def as_json(self) -> dict[str, Any]:
        """For a file or a page: the decision, its tests in their order, and what each method would make."""
        return {
            "method": self.method,
            "level": self.level,
            "intercept": self.intercept.as_json(),
            "slope": self.slope.as_json(),
            "tests": [test._asdict() | {name: float(rounded(getattr(test, name))) for name in ("statistic", "p_value")}
                      for test in self.tests],
            "would_be": {
                name: {"intercept": intercept.as_json(), "slope": slope.as_json()}
                for name, (intercept, slope) in self.estimates.items()
            },
        }  # fmt: skip


def fitted(site: Site, method: Method) -> Fit:
    """One of the three models fitted to a site by maximum likelihood.

    Raises
    ------
    OutcomeError
        If the cases do not determine it.
    """
    n, columns = len(site.y), METHODS.index(method)
    design = np.column_stack([np.ones(n), site.log_odds])[:, :columns]
    offset = np.zeros(n) if columns == 2 else site.log_odds
    found = _coefficients(site, design, offset) if columns else np.zeros(0)
    log_odds = offset + design @ found
    expected = expit(log_odds)
    as_counted = np.linalg.inv((design * (site.weights * expected * (1 - expected))[:, None]).T @ design)
    pulls = design * (site.weights * (site.y - expected))[:, None]
    robust = n / (n - 1) * as_counted @ pulls.T @ pulls @ as_counted
    return Fit(
        line=Recalibration(*found.tolist()),
        log_likelihood=float(site.weights @ (site.y * log_odds - np.logaddexp(0, log_odds))),
        covariance=as_counted if are_equal(site.weights) else robust,
        as_counted=as_counted,
    )


def _coefficients(site: Site, design: Floats, offset: Floats) -> Floats:
    if design.shape[1] == 2 and _is_separated(site.log_odds, site.y):
        raise OutcomeError("The risks separate the outcomes of these cases completely: no slope can be fitted.")
    model = GLM(site.y, design, family=Binomial(), freq_weights=site.weights, offset=offset)
    found = model.fit(tol=1e-12)
    if not found.converged:
        raise OutcomeError(
            "The outcomes of these cases determine no intercept or slope. Are some risks next to 0 or 1?"
        )
    return np.asarray(found.params, dtype=np.float64)


def _is_separated(log_odds: Floats, y: Floats) -> bool:
    events, others = log_odds[y == 1], log_odds[y == 0]
    return bool(events.min() >= others.max() or others.min() >= events.max())


def closed_test(site: Site, level: float) -> Update:
    """The least update that a site's cases ask for.

    Parameters
    ----------
    level : float in (0, 1)
        Of each test; its order keeps the chance of changing a model that is right at this level.

    Raises
    ------
    OutcomeError
        If the cases determine no slope, or risks run against outcomes: then no line puts the model right.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> log_odds = rng.normal(-1, 1, 2000)
    >>> y = (rng.random(2000) < expit(log_odds + 0.5)).astype(float)
    >>> found = closed_test(Site(log_odds, y, np.ones(2000), np.arange(2000)), level=0.05)
    >>> found.method, round(found.intercept.estimate, 2), [test.is_significant for test in found.tests]
    ('intercept', 0.62, [True, False])
    """
    fits = {method: fitted(site, method) for method in METHODS}
    tests = [compared(fits, ORIGINAL, INTERCEPT_AND_SLOPE, level)]
    method = ORIGINAL
    if tests[0].is_significant:
        tests.append(compared(fits, INTERCEPT, INTERCEPT_AND_SLOPE, level))
        method = INTERCEPT_AND_SLOPE if tests[1].is_significant else INTERCEPT
    line = fits[method].line
    if line.slope <= 0:
        raise OutcomeError(
            f"Risks run against outcomes in these cases (slope {line.slope:.2f}): no intercept or slope puts that "
            "right, and the model must not be used at this site. Look for a mistake in the file first, such as a "
            "code that is turned round."
        )
    return Update(
        method=method,
        level=level,
        line=Recalibration(float(rounded(line.intercept)), float(rounded(line.slope))),
        tests=tuple(tests),
        estimates={name: _estimates(fit) for name, fit in fits.items()},
    )


def compared(fits: Mapping[Method, Fit], smaller: Method, larger: Method, level: float) -> Comparison:
    """Twice the gain in log likelihood; where cases have weights, over the mean design effect of what was added."""
    fit, added = fits[larger], slice(METHODS.index(smaller), None)
    freedom = METHODS.index(larger) - METHODS.index(smaller)
    effect = np.trace(np.linalg.solve(fit.as_counted[added, added], fit.covariance[added, added])) / freedom
    statistic = max(0.0, 2 * (fit.log_likelihood - fits[smaller].log_likelihood)) / float(effect)
    p_value = float(chi2.sf(statistic, freedom))
    return Comparison(smaller, larger, statistic, freedom, p_value, p_value < level)


def _estimates(fit: Fit) -> tuple[Estimate, Estimate]:
    errors = np.sqrt(np.diag(fit.covariance)).tolist()
    intercept, slope = fit.line.intercept, fit.line.slope
    return (
        with_normal_interval(intercept, errors[0]) if errors else Estimate(intercept, reason=KEPT),
        with_normal_interval(slope, errors[1]) if len(errors) == 2 else Estimate(slope, reason=KEPT),
    )


# ---- judged on cases that did not update it ----------------------------------------------------------


def out_of_fold(site: Site, level: float, seed: int) -> Floats:
    """(n,) log-odds of each case as an update by the others would give them: closed test and fit anew in each fold.

    Patients are never on both sides. Where the others cannot ask for an update, the original stands.
    """
    owner = np.unique(site.patients, return_inverse=True)[1]
    folds = np.random.default_rng(seed).permutation(owner.max() + 1)[owner] % FOLDS
    found = site.log_odds.copy()
    for fold in np.unique(folds):
        others = site.rows(np.flatnonzero(folds != fold))
        try:
            line = closed_test(others, level).line
        except (OutcomeError, np.linalg.LinAlgError):
            continue
        found[folds == fold] = line(site.log_odds[folds == fold])
    return found


# ---- the updated model -------------------------------------------------------------------------------


def composed(first: Recalibration, then: Recalibration) -> Recalibration:
    """One line for two, one after the other.

    Examples
    --------
    >>> composed(Recalibration(0.5, 0.8), Recalibration(-0.25, 2.0))
    Recalibration(intercept=0.75, slope=1.6)
    """
    return Recalibration(then.intercept + then.slope * first.intercept, then.slope * first.slope)


def refit_lines(log_odds: Floats, site: Site, method: Method, seed: int) -> tuple[Recalibration, ...]:
    """The same update of each refit, on a bootstrap of the site's patients of its own.

    So the interval of an updated risk holds both: that development could have had other cases, and that the site
    could. The method is that of the closed test, which is not repeated.

    Parameters
    ----------
    log_odds : (n_refits, n) float
        Of the site's cases under each refit, calibrated as before the update.

    Raises
    ------
    OutcomeError
        If too many resamples determine no update.
    """
    draws = _resamples(site.patients, len(log_odds), seed)
    return tuple(_refit_line(replace(site, log_odds=own), method, draws) for own in log_odds)


def _resamples(patients: NDArray[Any], n: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """As many as are needed, and the spare ones where some cannot be used."""
    yield from patient_resamples(patients, n, seed)
    yield from patient_resamples(patients, SPARE_RESAMPLES * n, seed)[n:]


def _refit_line(site: Site, method: Method, draws: Iterator[NDArray[np.intp]]) -> Recalibration:
    for rows in draws:
        drawn = site.rows(rows)
        if len(np.unique(drawn.y)) < 2:
            continue
        try:
            line = fitted(drawn, method).line
        except (OutcomeError, np.linalg.LinAlgError):
            continue
        return Recalibration(float(rounded(line.intercept)), float(rounded(line.slope)))
    raise OutcomeError("Resamples of these cases hold too few with or without the outcome: no interval can be given.")


def updated_bundle(
    bundle: Bundle, update: Update, lines: Sequence[Recalibration], facts: Mapping[str, Any], provenance: str
) -> Bundle:
    """The model as the update leaves it: what was learned is the same, what is answered lies on another line.

    Parameters
    ----------
    lines : one a refit
        `refit_lines`.
    facts : mapping
        `update_facts`, which the bundle keeps behind those of earlier updates.
    provenance : str
        Of model and site together: virtual if one of them is.
    """
    before = bundle.refit_recalibrations or (bundle.recalibration,) * len(bundle.refits)
    return replace(
        bundle,
        recalibration=composed(bundle.recalibration, update.line),
        refit_recalibrations=tuple(composed(own, line) for own, line in zip(before, lines, strict=True)),
        updates=(*bundle.updates, facts),
        provenance=provenance,
        distributions=moved_distributions(bundle.distributions, update.line),
    )


def moved_distributions(distributions: Mapping[str, Any], line: Recalibration) -> dict[str, Any]:
    """Distributions at development as the updated model would have told them: the cuts of the risk move along the line.

    Examples
    --------
    >>> kept = {"predictors": {}, "risk": {"cases": 40, "missing": 0.0, "cuts": [0.5], "shares": [0.4, 0.6]}}
    >>> moved_distributions(kept, Recalibration(intercept=1.0))["risk"]["cuts"]
    [0.7310585786]
    """
    if "risk" not in distributions:
        return dict(distributions)
    risk = distributions["risk"]
    cuts = [float(rounded(expit(line(logit(np.array(cut)))))) for cut in risk["cuts"]]
    return {**distributions, "risk": {**risk, "cuts": cuts}}


def update_facts(
    update: Update, site: Site, *, parent_sha256: str, fingerprint: str, centres: int, provenance: str
) -> dict[str, Any]:
    """What an updated model says of its update: whose cases, how many, by what method, and from which model."""
    return {
        **update.as_json(),
        "parent_sha256": parent_sha256,
        "cases": len(site.y),
        "patients": len(np.unique(site.patients)),
        "events": site.events,
        "prevalence": float(rounded(np.average(site.y, weights=site.weights))),
        "centres": centres,
        "fingerprint": fingerprint,
        "provenance": provenance,
    }


def site_fingerprint(keys: Sequence[str], y: Floats, weights: Floats) -> str:
    """Hash of a site's cases and what became of them, whatever their order; no name, no id and no day enters.

    Parameters
    ----------
    keys : (n,) str
        `models.input_keys.input_keys` of the cases.
    """
    lines = sorted(f"{key}={outcome:g}={weight:.10g}" for key, outcome, weight in zip(keys, y, weights, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
