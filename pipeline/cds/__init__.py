"""CDS Hooks 2.0: the answers of the service as cards, where clinicians already work."""
