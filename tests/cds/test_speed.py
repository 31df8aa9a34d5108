"""A clinician waits for a card: CDS Hooks asks for 500 ms."""

import time

import numpy as np

CALLS = 25
WITHIN_SECONDS = 0.5


def test_95_of_100_cards_come_within_half_a_second(ehr, chart):
    """With a chart of the size that hospitals have: what is sent and says nothing here is read as well."""
    ehr.chart += [chart.condition("Z00.0", f"c{number}") for number in range(50)]
    ehr.chart += [chart.finding(f"slr_{side}", True) for side in ("left", "right")]
    ehr.cards("order-sign", [chart.order()])
    seconds = []
    for _ in range(CALLS):
        request = ehr.request("order-sign", [chart.PUREED_DIET, chart.order()])
        started = time.perf_counter()
        response = ehr.post("order-sign", request)
        seconds.append(time.perf_counter() - started)
        assert len(response.json()["cards"]) == 1
    assert np.quantile(seconds, 0.95) < WITHIN_SECONDS
