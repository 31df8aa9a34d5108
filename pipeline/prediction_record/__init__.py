"""The prediction record: what was answered, to which input, by which model, and what became of it.

An entry is on disk before its answer leaves, none can be changed unseen, and a person's content can be
erased while the chain still verifies. `docs/reference/prediction_record.md` says what that proves and what not.
"""
