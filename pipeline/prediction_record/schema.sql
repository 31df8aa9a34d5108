-- A prediction record. The chain only grows; content may go, where an erasure says so; what is not
-- acknowledged is still to be exported.

CREATE TABLE about (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE chain (
  sequence INTEGER PRIMARY KEY,
  prediction_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('prediction', 'red_flag', 'outcome', 'feedback', 'erasure')),
  made_at TEXT NOT NULL,
  content_sha256 TEXT NOT NULL,
  previous_sha256 TEXT NOT NULL,
  sha256 TEXT NOT NULL
) STRICT;

-- Few indexes: each is a page more that an answer waits for.
CREATE INDEX entries_of ON chain (prediction_id, sequence);

CREATE TABLE content (
  sequence INTEGER PRIMARY KEY REFERENCES chain (sequence),
  salt TEXT NOT NULL,
  body TEXT NOT NULL,
  case_pseudonym TEXT AS (json_extract(body, '$.case')) VIRTUAL,
  patient_pseudonym TEXT AS (json_extract(body, '$.patient')) VIRTUAL
) STRICT;

CREATE INDEX of_case ON content (case_pseudonym) WHERE case_pseudonym IS NOT NULL;
CREATE INDEX of_patient ON content (patient_pseudonym) WHERE patient_pseudonym IS NOT NULL;

CREATE TABLE acknowledged (
  sequence INTEGER PRIMARY KEY REFERENCES chain (sequence),
  at TEXT NOT NULL,
  trace_id TEXT
) STRICT;

CREATE TRIGGER chain_follows BEFORE INSERT ON chain
WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM chain)
BEGIN SELECT raise(ABORT, 'an entry follows the last one'); END;

CREATE TRIGGER chain_unchanged BEFORE UPDATE ON chain
BEGIN SELECT raise(ABORT, 'an entry of the chain is never changed'); END;

CREATE TRIGGER chain_kept BEFORE DELETE ON chain
BEGIN SELECT raise(ABORT, 'an entry of the chain is never deleted'); END;

CREATE TRIGGER content_unchanged BEFORE UPDATE ON content
BEGIN SELECT raise(ABORT, 'the content of an entry is never changed'); END;

CREATE TRIGGER content_kept BEFORE DELETE ON content
WHEN NOT EXISTS (
  SELECT 1 FROM chain AS erased JOIN chain AS erasure USING (prediction_id)
  WHERE erased.sequence = OLD.sequence AND erasure.kind = 'erasure' AND erasure.sequence > OLD.sequence
)
BEGIN SELECT raise(ABORT, 'content goes only where a later entry says that it was erased'); END;
