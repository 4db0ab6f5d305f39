"""The jobs put the stages together: plan, scan, close, deliver."""
