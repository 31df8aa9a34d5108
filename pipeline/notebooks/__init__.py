"""What the notebooks of `notebooks/` are opened, told, touched and made by.

A notebook defines nothing: what it draws is in `models/*_figure.py`, what it reads is a `StudyArtefacts`
(`pipeline/reporting/study.py`), and what is its own is here.
"""

from __future__ import annotations

from pipeline.notebooks.door import opened
from pipeline.notebooks.errors import NotMadeYetError, SkippedError

__all__ = ("NotMadeYetError", "SkippedError", "opened")
