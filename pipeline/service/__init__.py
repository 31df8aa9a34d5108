"""The service of a preoperative clinic: the next case in, an explained answer out, and nothing leaves unrecorded."""
