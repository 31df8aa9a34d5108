-- A record as Backcast wrote it before red flags had a kind of their own (schema 1): two answers, one of them with
-- a red flag, an outcome, an answer that was erased. Written by `Record` of commit 4af2896, then `.dump` of SQLite.
BEGIN TRANSACTION;
CREATE TABLE about (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
INSERT INTO "about" VALUES('key','663b867e2b18b058edb7cea54cd826dd2be2171bb043ec5e035d2d7874428fe1');
CREATE TABLE acknowledged (
  sequence INTEGER PRIMARY KEY REFERENCES chain (sequence),
  at TEXT NOT NULL,
  trace_id TEXT
) STRICT;
CREATE TABLE chain (
  sequence INTEGER PRIMARY KEY,
  prediction_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('prediction', 'outcome', 'feedback', 'erasure')),
  made_at TEXT NOT NULL,
  content_sha256 TEXT NOT NULL,
  previous_sha256 TEXT NOT NULL,
  sha256 TEXT NOT NULL
) STRICT;
INSERT INTO "chain" VALUES(1,'02e9939a-aede-4b0d-bca9-1cdd1f8f8392','prediction','2024-03-05T10:30:00.000000+00:00','c7c175ceeab755d3a699a2652547c6e0100a33f44576d118838592c4351f3c18','0000000000000000000000000000000000000000000000000000000000000000','58c07d6c8d293c6c0052a08eb718ac6324184e83727803cbe4545c5abb656ec0');
INSERT INTO "chain" VALUES(2,'3c22536f-36b8-47d8-bed5-1253e1b04434','prediction','2024-03-05T11:30:00.000000+00:00','66bb8f15ce73891850bc985e4320002e7bf0a17cff100897128f64d6d70ba5cc','58c07d6c8d293c6c0052a08eb718ac6324184e83727803cbe4545c5abb656ec0','58063dd8204f585fe9e407feb9dee92561c2b97bf73ea999b3b87278186cf45f');
INSERT INTO "chain" VALUES(3,'02e9939a-aede-4b0d-bca9-1cdd1f8f8392','outcome','2024-03-05T12:30:00.000000+00:00','d7380814676540dae9438fbc3badd49cfb78106dad3c139357562a3291371e67','58063dd8204f585fe9e407feb9dee92561c2b97bf73ea999b3b87278186cf45f','23668a973fb2b8acdac1f4f517c12169bf9328a0cc50e2b54b43902b9d399909');
INSERT INTO "chain" VALUES(4,'6a7607e1-706c-4e0b-ad16-221eec2ec3c0','prediction','2024-03-05T13:30:00.000000+00:00','da6154adf2d05a23e8e8b1cf738324464511dedd25dc7d356e933b1fd792855b','23668a973fb2b8acdac1f4f517c12169bf9328a0cc50e2b54b43902b9d399909','93b70f7ce0f322f16dbc8495314e296ed6b6afc68d32bd8b8ce760d177c90aba');
INSERT INTO "chain" VALUES(5,'6a7607e1-706c-4e0b-ad16-221eec2ec3c0','erasure','2024-03-05T14:30:00.000000+00:00','8170feba8a2a1634ca1bce7401ff203c8ee69c74e4a6488c7ed0312fcde4af8f','93b70f7ce0f322f16dbc8495314e296ed6b6afc68d32bd8b8ce760d177c90aba','b86272e74f037bf3990cc591c9f29a8373d13005eaf81ea784ee7a8b458f797f');
CREATE TABLE content (
  sequence INTEGER PRIMARY KEY REFERENCES chain (sequence),
  salt TEXT NOT NULL,
  body TEXT NOT NULL,
  case_pseudonym TEXT AS (json_extract(body, '$.case')) VIRTUAL,
  patient_pseudonym TEXT AS (json_extract(body, '$.patient')) VIRTUAL
) STRICT;
INSERT INTO "content" VALUES(1,'ff73ff64e29bed2bdb5e3b968e58e7ad','{"answer":{"outcomes":[{"base_log_odds":-0.7,"base_rate":0.33,"contributions":{"age_years":-0.7,"odi":0.3},"horizon_months":12,"label":"ODI fell by less than 30 %","model":{"learner":"logistic","sha256":"c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3","uri":"models:/backcast-failure_12m/3"},"outcome":"failure_12m","risk":0.25}],"provenance":"virtual","question":"failure","red_flags":[]},"case":"f246bba5cb57d8fe84b35634c7e219534f489657629b259421b3a9ae07809530","centre":"K1","inputs":{"diagnosis":"disc_herniation","odi":50.0},"patient":"5482c3bdf459973ad668c066b44dbfda60b7229d2bf8b768709c387a627ba0c3"}');
INSERT INTO "content" VALUES(2,'23b6b24fce21a84f3897faf5ede0549c','{"answer":{"outcomes":[],"provenance":"virtual","question":"failure","red_flags":[{"action":"Refer today","label":"Infection of the spine","red_flag":"infection","urgency":"emergency"}]},"case":"f8260721828517738dc68817b755093457a732bbfbf02b426835330ce02ed768","centre":null,"inputs":{"odi":60.0},"patient":"3c6af3497357fcb0eab753119bc7b1dc342c17e5e776e5dd2f8a6a42d4bc6ce0"}');
INSERT INTO "content" VALUES(3,'bd39abd556c22adcae8403d976053bd6','{"labels":{"failure_12m":1},"source_sha256":"0000000000000000000000000000000000000000000000000000000000000000"}');
INSERT INTO "content" VALUES(5,'75be1453e56ecf2a21a10a7c73cd1eb6','{"reason":"on request"}');
CREATE INDEX entries_of ON chain (prediction_id, sequence);
CREATE INDEX of_case ON content (case_pseudonym) WHERE case_pseudonym IS NOT NULL;
CREATE INDEX of_patient ON content (patient_pseudonym) WHERE patient_pseudonym IS NOT NULL;
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
PRAGMA application_id = 1111707730;
PRAGMA user_version = 1;
COMMIT;
