"""A process that appends for as long as it lives, and says each id once it holds the receipt: to be killed."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from pipeline.prediction_record.store import Record

ANSWER = {"question": "failure", "outcomes": [{"outcome": "failure_12m", "risk": 0.25, "contributions": {"odi": 0.3}}]}


def clerk(record: Record, number: int, answers: int) -> None:
    for turn in range(answers):
        receipt = record.append({**ANSWER, "filler": "x" * (turn % 7) * 900}, {}, {"case_id": f"{number}-{turn}"})
        os.write(1, f"{receipt.prediction_id} {receipt.sha256}\n".encode())


def main(path: Path, threads: int, answers: int) -> None:
    record = Record.open(path)
    os.write(1, b"open\n")
    clerks = [threading.Thread(target=clerk, args=(record, number, answers)) for number in range(threads)]
    for one in clerks:
        one.start()
    for one in clerks:
        one.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
