"""Cited data: standards and column contracts, read strictly."""
