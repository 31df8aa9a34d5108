"""What the service needs to know of the hospital's systems that ask it, and when it says what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.params import CdsHooksParams, Params

DEFAULT = CdsHooksParams(
    base_url="", least_known=0.5, oldest_months=12, fetch_seconds=1.0, token_seconds=300, fhir_servers=[], clients={}
)
"""As `params.yaml` has it: nobody signs, and no FHIR server is asked."""


@dataclass(frozen=True, kw_only=True)
class CdsSettings:
    """Everything that the cards need beside the answer itself.

    `high_risk` is by outcome the risk from which a card advises to act; an outcome that it lacks is never high.
    """

    params: CdsHooksParams = DEFAULT
    high_risk: Mapping[str, float] = field(default_factory=dict)
    minimum_age_years: float = 18

    @classmethod
    def of(cls, params: Params) -> CdsSettings:
        return cls(
            params=params.cds_hooks,
            high_risk=params.evaluate.main_threshold,
            minimum_age_years=params.cohort.minimum_age_years,
        )

    @property
    def are_signed(self) -> bool:
        """Whether requests must be signed by a client that is known."""
        return bool(self.params.clients)
