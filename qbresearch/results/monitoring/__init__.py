"""Results of quality monitoring: achievement of counties and schools, and how schools differ."""
