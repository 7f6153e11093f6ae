"""Processed tables: build, store, published figures."""
