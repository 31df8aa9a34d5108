"""What a stage stored, found again for a test."""

from __future__ import annotations


def figures(content: object, where: str = "") -> dict[str, dict]:
    """Every figure of a file by its place in it."""
    if not isinstance(content, dict):
        return {}
    if "estimate" in content:
        return {where: content}
    return {k: v for key, part in content.items() for k, v in figures(part, f"{where}/{key}").items()}
