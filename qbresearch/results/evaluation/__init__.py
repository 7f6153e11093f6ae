"""The whole evaluation of a county: every indicator, recognition, vetoes and prerequisites, as one tree of verdicts."""
