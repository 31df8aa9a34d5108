"""The virtual registry: planned operations on patients who do not exist, with their truth known."""

from pipeline.virtual.parameters import RegistryParams
from pipeline.virtual.registry import draw_planned_cases, draw_registry

__all__ = ["RegistryParams", "draw_planned_cases", "draw_registry"]
