"""What a notebook opens: one county or a set of counties, its rules, and the exhibits made from its results."""
