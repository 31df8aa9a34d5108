"""`params.yaml` as typed objects, made at the door; after that no dictionary travels.

A study may have a `params.yaml` of its own, whose keys take the place of those of the root's.

Everything wrong with the file is said at once: misspelt and missing keys, unknown learners and
outcomes, values of another type.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from features.builders import BuilderParams
from features.causes import CauseParams
from features.cohort import CohortParams
from features.dictionary import load_dictionary
from features.errors import ParamsError
from features.knowledge_tables import use_study
from features.outcomes import OutcomeParams, outcome_names
from features.words import exact_percent
from pipeline import paths
from pipeline.study import DEFAULT_STUDY, PARAMS_OF_STUDY, Study, read_study
from pipeline.typed_yaml import made, read_yaml
from pipeline.virtual.parameters import MOST_CASES, RegistryParams

LEARNERS = ("prevalence", "baseline", "logistic", "xgboost")
"""As in `models.learners`, which costs seconds to import; a test holds the two together."""
CANDIDATES = ("logistic", "xgboost")
GROUPING_KEY = "centre_id"
"""The one key of the record by which cases are grouped."""
_SECRET = re.compile(r"(//[^/@]*:|^[^/@:]+:[^/]).*@|(pass|pwd|secret|token|odbc_connect)[^=&]*=", re.IGNORECASE)
"""A password in the address of a database: after the user's name, or among its options."""


def _out_of_range(section: str, params: Any, ranges: dict[str, tuple[float, float]]) -> list[str]:
    """What is wrong with numbers, or grids of numbers, that must lie in closed ranges."""
    problems = []
    for name, (low, high) in ranges.items():
        value = getattr(params, name)
        for number in value if isinstance(value, list) else [value]:
            if not low <= number <= high:
                bound = f"at least {low:.15g}" if high == math.inf else f"in {low:.15g} to {high:.15g}"
                problems.append(f"{section}.{name} must be {bound}, got {number}")
    return problems


@dataclass(frozen=True, kw_only=True)
class IngestParams:
    """Where records come from: a file, a folder of files, or a query (`.sql`) and the database of `url`."""

    file: str
    encoding: str = "utf-8"
    separator: str = ","
    missing_marks: list[str] = field(default_factory=lambda: [""])
    sheet: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        is_query = Path(self.file).suffix.lower() == ".sql"
        problems = []
        if is_query and not self.url:
            problems.append(f"{self.file} is a query: say in ingest.url (--url) which database to ask")
        if self.url and not is_query:
            problems.append(f"ingest.url (--url) is for a query, and {self.file} is none (.sql)")
        if self.url and _SECRET.search(self.url):
            problems.append(
                "ingest.url (--url) holds a password, and this would be kept for all to read: put the address into "
                "an environment variable and write env: and its name, such as env:REGISTRY_URL"
            )
        _refuse(problems)


@dataclass(frozen=True, kw_only=True)
class CohortStageParams(CohortParams):
    outcomes: dict[str, OutcomeParams]

    def __post_init__(self) -> None:
        _refuse(_unknown("cohort.outcomes", self.outcomes, outcome_names()))


@dataclass(frozen=True, kw_only=True)
class SplitParams:
    seed: int
    test_centres: int | list[str]
    folds: int
    test_year: int | None = None
    """The year that tests in the development centres; by default the last whose horizon is complete."""

    def __post_init__(self) -> None:
        problems = _out_of_range("split", self, {"seed": (0, math.inf), "folds": (2, 50)})
        if self.test_centres == []:
            problems.append("split.test_centres names no centre")
        _refuse(problems)


@dataclass(frozen=True, kw_only=True)
class AppraiseParams:
    seed: int
    anticipated_c_statistic: float
    overrule_sample_size: list[str]

    def __post_init__(self) -> None:
        problems = _out_of_range("appraise", self, {"seed": (0, math.inf)})
        problems += _unknown("appraise.overrule_sample_size", self.overrule_sample_size, outcome_names())
        if not 0.5 < self.anticipated_c_statistic < 1:
            problems.append("appraise.anticipated_c_statistic must lie in (0.5, 1)")
        _refuse(problems)


@dataclass(frozen=True, kw_only=True)
class LogisticGrid:
    C: float | list[float]


@dataclass(frozen=True, kw_only=True)
class XGBoostGrid:
    max_depth: int | list[int]
    n_rounds: int | list[int]
    min_child_weight: float | list[float]
    learning_rate: float | list[float]
    reg_lambda: float | list[float]
    colsample_bytree: float | list[float]


MOST_WORKERS = 1000
XGBOOST_RANGES = {
    "max_depth": (1, 12),
    "n_rounds": (1, 5000),
    "min_child_weight": (0, math.inf),
    "learning_rate": (1e-4, 1),
    "reg_lambda": (0, math.inf),
    "colsample_bytree": (0.05, 1),
}


@dataclass(frozen=True, kw_only=True)
class TrainParams:
    seed: int
    outcomes: list[str]
    learners: list[str]
    max_parameters: dict[str, int]
    refits: int
    leak_alarm_auroc: float
    overrule_leak_alarm: list[str]
    logistic: LogisticGrid
    xgboost: XGBoostGrid
    dask_workers: int | None = None
    """Among how many Dask workers the rows are divided when trees are grown; None grows them in this process."""

    def __post_init__(self) -> None:
        problems = [
            *_unknown("train.outcomes", self.outcomes, outcome_names()),
            *_unknown("train.max_parameters", self.max_parameters, outcome_names()),
            *_unknown("train.learners", self.learners, LEARNERS),
            *_unknown("train.overrule_leak_alarm", self.overrule_leak_alarm, outcome_names()),
        ]
        if not self.outcomes:
            problems.append("train.outcomes names no outcome")
        if not set(CANDIDATES) & set(self.learners):
            problems.append(f"train.learners needs a candidate: {' or '.join(CANDIDATES)}")
        without = [outcome for outcome in self.outcomes if outcome not in self.max_parameters]
        if without:
            problems.append(f"train.max_parameters says nothing of {', '.join(without)}")
        ranges = {"seed": (0, math.inf), "refits": (2, 1000), "leak_alarm_auroc": (0.5, 1.0)}
        problems += _out_of_range("train", self, ranges)
        if self.dask_workers is not None:
            problems += _out_of_range("train", self, {"dask_workers": (1, MOST_WORKERS)})
        problems += [
            f"train.max_parameters.{outcome} must be at least 2, got {most}"
            for outcome, most in self.max_parameters.items()
            if most < 2
        ]
        for name in ("outcomes", "learners"):
            listed = getattr(self, name)
            repeated = sorted({entry for entry in listed if listed.count(entry) > 1})
            problems += [f"train.{name} names {entry} twice" for entry in repeated]
        problems += _out_of_range("train.logistic", self.logistic, {"C": (1e-9, 1e9)})
        problems += _out_of_range("train.xgboost", self.xgboost, XGBOOST_RANGES)
        for learner in CANDIDATES:
            problems += [
                f"train.{learner}.{key} has no value" for key, grid in self.grid(learner).items() if grid == []
            ]
        _refuse(problems)

    def grid(self, learner: str) -> dict[str, Any]:
        return dataclasses.asdict(getattr(self, learner)) if learner in CANDIDATES else {}


@dataclass(frozen=True, kw_only=True)
class ValidateParams:
    seed: int
    resamples: int
    optimism_outcomes: list[str]
    clusters: int = 0
    """Into how many clusters whole centres are drawn, which are then left out one by one; 0 leaves out each centre."""

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "seed": (0, math.inf),
            "resamples": (2, 10_000),
            "clusters": (0, 1000),
        }
        problems = _out_of_range("validate", self, ranges)
        problems += _unknown("validate.optimism_outcomes", self.optimism_outcomes, outcome_names())
        _refuse(problems)


@dataclass(frozen=True, kw_only=True)
class EvaluateParams:
    seed: int
    thresholds: list[float]
    main_threshold: dict[str, float]
    response_percentiles: list[float]

    def __post_init__(self) -> None:
        problems = _out_of_range("evaluate", self, {"seed": (0, math.inf)})
        if not self.thresholds or not all(0 < threshold < 1 for threshold in self.thresholds):
            problems.append("evaluate.thresholds must all lie in (0, 1)")
        printed = [exact_percent(threshold) for threshold in self.thresholds]  # as the figures at each are named
        problems += [
            f"evaluate.thresholds names {name} twice, as it is printed"
            for name in dict.fromkeys(printed)
            if printed.count(name) > 1
        ]
        problems += _unknown("evaluate.main_threshold", self.main_threshold, outcome_names())
        problems += [
            f"evaluate.main_threshold.{outcome} must be one of evaluate.thresholds, got {threshold:g}"
            for outcome, threshold in self.main_threshold.items()
            if threshold not in self.thresholds
        ]
        if not _is_interval(self.response_percentiles, 0, 100):
            problems.append("evaluate.response_percentiles must be two numbers that rise within 0 to 100")
        _refuse(problems)


@dataclass(frozen=True, kw_only=True)
class SubgroupsParams:
    by: list[str]
    bands: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [f"subgroups.by names {name} twice" for name in sorted({n for n in self.by if self.by.count(n) > 1})]
        problems += [
            f"subgroups.by names {name}, {reason}"
            for name in dict.fromkeys(self.by)
            if (reason := _no_grouping(name, has_bands=name in self.bands))
        ]
        problems += _unknown("subgroups.bands", self.bands, self.by)
        problems += [
            f"subgroups.bands.{name} must hold numbers that rise, got {ends}"
            for name, ends in self.bands.items()
            if not ends or sorted(set(ends)) != ends
        ]
        _refuse(problems)


def _no_grouping(name: str, *, has_bands: bool) -> str | None:
    """Why cases cannot be grouped by a variable, with or without bands; None where they can.

    A group must be of many: what names a person or a day would write single patients into tables and figures.
    """
    variable = load_dictionary().by_name.get(name)
    if variable is None:
        closest = load_dictionary().closest(name)
        return "which the dictionary does not" + (f" (is {closest} meant?)" if closest else "")
    if variable.identifies:
        return "which identifies a person"
    if variable.form == "keys" and name != GROUPING_KEY:
        return f"a key of the record; the only key that makes groups is {GROUPING_KEY}"
    if variable.known != "preoperative":
        return "which is known only after the operation"
    if variable.type == "number":
        return None if has_bands else f"a number: say in subgroups.bands.{name} where its bands end"
    return f"which is no number: leave out subgroups.bands.{name}" if has_bands else None


@dataclass(frozen=True, kw_only=True)
class BuildersParams:
    seed: int
    cases: int
    twin_pairs: int
    attainable_cases: int

    def __post_init__(self) -> None:
        sizes = dict.fromkeys(("cases", "twin_pairs", "attainable_cases"), (100, MOST_CASES))
        _refuse(_out_of_range("builders", self, {"seed": (0, math.inf), **sizes}))

    @property
    def seeds(self) -> tuple[int, int, int]:
        """Of the cases tested, of the twins, and of the cases that teach what is attainable."""
        return self.seed, self.seed + 1, self.seed + 2


@dataclass(frozen=True, kw_only=True)
class CauseEvidenceParams:
    seed: int
    cases: int
    twin_pairs: int
    attainable_cases: int
    anticipated_c_statistic: float

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "seed": (0, math.inf),
            **dict.fromkeys(("cases", "twin_pairs", "attainable_cases"), (100, MOST_CASES)),
            "anticipated_c_statistic": (0.55, 0.95),
        }
        _refuse(_out_of_range("cause_evidence", self, ranges))

    @property
    def seeds(self) -> tuple[int, int, int]:
        """Of the work-ups tested apart, of the pairs, and of the cases that teach what is attainable."""
        return self.seed, self.seed + 1, self.seed + 2


@dataclass(frozen=True, kw_only=True)
class ExplainParams:
    waterfalls: int

    def __post_init__(self) -> None:
        _refuse(_out_of_range("explain", self, {"waterfalls": (1, 20)}))


@dataclass(frozen=True, kw_only=True)
class RegisterParams:
    promote_beyond_standard_errors: float
    most_net_benefit_lost: float
    calibration_slope: list[float]

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "promote_beyond_standard_errors": (0, 10),
            "most_net_benefit_lost": (0, 1),
        }
        problems = _out_of_range("register", self, ranges)
        is_interval = _is_interval(self.calibration_slope, 0, math.inf)
        if not (is_interval and self.calibration_slope[0] < 1 < self.calibration_slope[1]):
            problems.append("register.calibration_slope must be two numbers, the ideal of 1 between them")
        _refuse(problems)


@dataclass(frozen=True, kw_only=True)
class RecordParams:
    store: str
    log_inputs: bool

    def __post_init__(self) -> None:
        _refuse([] if self.store.strip() else ["record.store names no file"])


@dataclass(frozen=True, kw_only=True)
class ServiceParams:
    host: str
    port: int
    models: str
    body_bytes: int
    body_seconds: float
    batch_cases: int
    requests_per_second: float
    burst: int
    export_seconds: float
    stop_seconds: int

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "port": (0, 65535),
            "body_bytes": (10_000, 100_000_000),
            "body_seconds": (0.1, 600),
            "batch_cases": (1, 10_000),
            "requests_per_second": (0.1, math.inf),
            "burst": (1, math.inf),
            "export_seconds": (0.1, 86_400),
            "stop_seconds": (1, 600),
        }
        problems = _out_of_range("service", self, ranges)
        problems += [f"service.{name} is empty" for name in ("host", "models") if not getattr(self, name).strip()]
        _refuse(problems)


@dataclass(frozen=True, kw_only=True)
class CdsHooksParams:
    """`clients` has for each issuer of signed requests the file or address of its public keys."""

    base_url: str
    least_known: float
    oldest_months: float
    fetch_seconds: float
    token_seconds: float
    fhir_servers: list[str]
    clients: dict[str, str]

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "least_known": (0, 1),
            "oldest_months": (0, 1200),
            "fetch_seconds": (0.05, 60),
            "token_seconds": (1, 3600),
        }
        problems = _out_of_range("cds_hooks", self, ranges)
        addresses = {"base_url": self.base_url} if self.base_url else {}
        addresses |= {f"fhir_servers[{place}]": address for place, address in enumerate(self.fhir_servers)}
        addresses |= {f"clients.{issuer}": keys for issuer, keys in self.clients.items() if "://" in keys}
        problems += [
            f"cds_hooks.{name} must be an https:// address without a / at its end"
            for name, address in addresses.items()
            if not SAFE_ADDRESS.fullmatch(address)
        ]
        problems += [f"cds_hooks.clients.{issuer} names no keys" for issuer, keys in self.clients.items() if not keys]
        if self.clients and not self.base_url:
            problems.append("cds_hooks.base_url is empty: tokens of clients are for the address that they ask")
        _refuse(problems)


SAFE_ADDRESS = re.compile(r"(https://[^\s/@]+|http://(localhost|127\.0\.0\.1)(:\d+)?)(/\S*)?(?<!/)")
"""Encrypted, or on this machine."""


@dataclass(frozen=True, kw_only=True)
class MonitorParams:
    minimum_predictions: int
    minimum_known: int
    calibration_intercept: float
    stability_index: float

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "minimum_predictions": (20, math.inf),
            "minimum_known": (20, math.inf),
            "calibration_intercept": (0, 5),
            "stability_index": (0, 10),
        }
        _refuse(_out_of_range("monitor", self, ranges))


@dataclass(frozen=True, kw_only=True)
class WorthParams:
    seed: int
    discordance_effects: list[float]
    development_cases: list[int]
    registries: int
    samples_per_registry: int
    test_cases: int
    logistic: LogisticGrid
    xgboost: XGBoostGrid

    def __post_init__(self) -> None:
        most = MOST_CASES // 2  # some that are drawn are not in the cohort, or have no known outcome
        ranges: dict[str, tuple[float, float]] = {
            "seed": (0, math.inf),
            "discordance_effects": (0, 3),
            "development_cases": (50, most),
            "registries": (2, 1000),
            "samples_per_registry": (1, 100),
            "test_cases": (100, most),
        }
        problems = _out_of_range("worth", self, ranges)
        if 0 not in self.discordance_effects:
            problems.append("worth.discordance_effects must hold 0, the negative control")
        for name in ("discordance_effects", "development_cases"):
            if sorted(set(getattr(self, name))) != getattr(self, name) or not getattr(self, name):
                problems.append(f"worth.{name} must rise, each value once")
        problems += _out_of_range("worth.logistic", self.logistic, {"C": (1e-9, 1e9)})
        problems += _out_of_range("worth.xgboost", self.xgboost, XGBOOST_RANGES)
        for learner in CANDIDATES:
            problems += [
                f"worth.{learner}.{key} must be one value: every set of predictors has the same learner"
                for key, value in self.setting(learner).items()
                if isinstance(value, list)
            ]
        _refuse(problems)

    def setting(self, learner: str) -> dict[str, Any]:
        return dataclasses.asdict(getattr(self, learner))


@dataclass(frozen=True, kw_only=True)
class Params:
    registry: RegistryParams
    ingest: IngestParams
    cohort: CohortStageParams
    derive: BuilderParams | None
    cause: CauseParams
    split: SplitParams
    appraise: AppraiseParams
    train: TrainParams
    validate: ValidateParams
    evaluate: EvaluateParams
    subgroups: SubgroupsParams
    builders: BuildersParams
    cause_evidence: CauseEvidenceParams
    explain: ExplainParams
    register: RegisterParams
    record: RecordParams
    service: ServiceParams
    cds_hooks: CdsHooksParams
    monitor: MonitorParams
    worth: WorthParams
    study: Study = field(default_factory=Study)
    """Which study the choices are of; made from its folder, never written here."""

    @property
    def applied_builders(self) -> BuilderParams:
        """The choices of the clinical builders, for what cannot do without them."""
        if self.derive is None:
            raise ParamsError(f"No clinical builder applies to study {self.study.name} (builders in its study.yaml).")
        return self.derive


def load_params(path: Path = paths.PARAMS, study: str | None = None) -> Params:
    """The whole of `params.yaml`, checked; of another study than the one that it names, where `study` names one.

    Raises
    ------
    ParamsError
        With every problem of the file.
    """
    raw, its_study = _of_study(read_yaml(path), study)
    problems: list[str] = []
    params: Params | None = made(Params, raw, "", problems)
    if params is not None and not problems:
        problems += [
            f"train.outcomes names {outcome}, which cohort.outcomes does not define"
            for outcome in params.train.outcomes
            if outcome not in params.cohort.outcomes
        ]
        problems += [
            f"evaluate.main_threshold says nothing of {outcome}"
            for outcome in params.train.outcomes
            if outcome not in params.evaluate.main_threshold
        ]
        problems += [
            f"{section}.seed {drawing.seed} draws the cases of registry.seed again; choose one further away"
            for section, drawing in (("builders", params.builders), ("cause_evidence", params.cause_evidence))
            if params.registry.seed in drawing.seeds
        ]
    if problems or params is None:
        files = (
            f"{path} with {its_study.folder / PARAMS_OF_STUDY}"
            if (its_study.folder / PARAMS_OF_STUDY).exists()
            else path
        )
        raise ParamsError(f"{files}: " + "; ".join(problems) + ".")
    return dataclasses.replace(params, study=its_study, derive=params.derive if its_study.builders else None)


def _of_study(raw: Any, named: str | None) -> tuple[Any, Study]:
    """The choices of the study at hand, which its own file has in place of those of the root, and the study.

    From here on the process works on that study: its tables are the tables.
    """
    if not isinstance(raw, dict):
        return raw, read_study(DEFAULT_STUDY)
    study = read_study(named or raw.get("study", DEFAULT_STUDY))
    use_study(study.folder)
    own = study.folder / PARAMS_OF_STUDY
    sections = {key: value for key, value in raw.items() if key != "study"}
    return (with_own(sections, read_yaml(own), own) if own.exists() else sections), study


def with_own(sections: dict[str, Any], own: Any, path: Path) -> dict[str, Any]:
    """Sections with the keys of a study's own in place of theirs; a value is replaced whole.

    Raises
    ------
    ParamsError
        If the study's file does not hold sections.
    """
    if not isinstance(own, dict) or not all(isinstance(section, dict) for section in own.values()):
        raise ParamsError(f"{path} must hold sections of params.yaml, each with the keys that differ.")
    return sections | {name: {**(sections.get(name) or {}), **section} for name, section in own.items()}


def _is_interval(values: list[float], least: float, most: float) -> bool:
    return len(values) == 2 and least <= values[0] < values[1] <= most


def _unknown(where: str, names: typing.Iterable[str], known: typing.Sequence[str]) -> list[str]:
    unknown = [name for name in names if name not in known]
    return [f"{where} names {', '.join(unknown)}; known are {', '.join(known)}"] if unknown else []


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ParamsError("; ".join(problems))
