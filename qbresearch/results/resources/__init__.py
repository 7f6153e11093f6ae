"""Resources of schools: stage parts, indicators, dispersion, attainment and what they lead to."""
