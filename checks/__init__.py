"""Pullwatch: can this AKS cluster pull its images from its registries, and if not, why.

The way of the data: plan -> scan: collect -> judge -> decide -> commit -> close -> deliver (docs/architecture.md).
"""
