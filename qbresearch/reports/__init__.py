"""Studies, batches of notebooks, and the pages made of them."""
