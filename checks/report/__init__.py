"""Findings into the row per cluster and registry, the cluster's report, its coverage and the JSON answer. Pure."""
