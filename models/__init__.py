"""What is learned and how it is judged: learners, recalibration, metrics, explanation, `RiskPredictor`."""
