"""From files as received to checked tables."""
