"""Every mistake a user can make, each kind with its own exit status.

    BackcastError
    ├── ParamsError         3   params.yaml: a misspelt key, an unknown learner or outcome, a bad value
    ├── KnowledgeError      4   a knowledge table with a gap, an overlap, a row without a source
    ├── FileFormatError     5   a file that is absent, empty, not whole, no table, in another encoding
    ├── ColumnsError        6   columns missing or unknown
    ├── TimingError         7   a variable known later than the question is asked
    ├── ValuesError         8   units, ranges, choices, numbers, dates, duplicate ids
    ├── CohortError         9   no case left after the criteria
    ├── OutcomeError       10   an outcome that cannot be learned: one class, or none known
    ├── BundleError        11   a model folder that is damaged, or that other code made
    ├── CaseNotFoundError  12   a case_id that is not in the file
    ├── StaleInputError    13   an input or a module changed while a stage ran
    ├── TrackingError      14   the MLflow store cannot be reached, or holds no such model
    └── LeakError          15   a predictor that knows the outcome, a patient on both sides of a split

A message says what, where, and what to do; it counts cases and names columns and rows, and never
quotes a value of a patient.
"""

from __future__ import annotations


class BackcastError(Exception):
    """A mistake that its message explains; the command line prints the message alone, and so does a notebook."""

    exit_status = 1

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [str(self)]


class ParamsError(BackcastError):
    exit_status = 3


class KnowledgeError(BackcastError):
    exit_status = 4


class FileFormatError(BackcastError):
    exit_status = 5


class ColumnsError(BackcastError):
    exit_status = 6


class TimingError(BackcastError):
    exit_status = 7


class ValuesError(BackcastError):
    exit_status = 8


class CohortError(BackcastError):
    exit_status = 9


class OutcomeError(BackcastError):
    exit_status = 10


class BundleError(BackcastError):
    exit_status = 11


class CaseNotFoundError(BackcastError):
    exit_status = 12


class StaleInputError(BackcastError):
    exit_status = 13


class TrackingError(BackcastError):
    exit_status = 14


class LeakError(BackcastError):
    exit_status = 15
