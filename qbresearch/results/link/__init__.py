"""The link between resources and results: match, describe, model, challenge."""
