"""FHIR R4 (4.0.1): cases read from resources, answers written as resources. The same predictor, the same record."""
