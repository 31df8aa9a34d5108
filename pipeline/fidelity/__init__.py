"""The virtual registry held against published figures: a table of targets, and how each is measured.

It looks at the cases and at the truth behind them, and imports nothing of the registry that made them.
"""
