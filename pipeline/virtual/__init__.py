"""The virtual registry: planned operations on patients who do not exist, with their truth known.

`registry.draw_registry` draws it; `parameters.RegistryParams` says how large and of which years.
"""
