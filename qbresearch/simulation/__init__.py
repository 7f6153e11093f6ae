"""Seeded invented data, labelled as such, with a truth that tests can recover."""
