"""Hypothesis draws the same examples on every machine and never fails for being slow."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, max_examples=100, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")
