"""The record in REDCap: its data dictionary, a project's exports read back, cases sent to it.

A case is one REDCap record, and what its work-up found is an instrument that repeats. What is read is a
table in the dictionary's layout and nothing more: checks, predictions and their record stay where they are.
"""
