"""Executed notebooks become documents, and documents become files that can be sent."""
