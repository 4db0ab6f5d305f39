"""Pullwatch: can this AKS cluster pull its images from its registries, and if not, why.

Data flow: plan -> scan: collect -> judge -> report -> decide -> commit -> close -> deliver (docs/architecture.md).
"""
