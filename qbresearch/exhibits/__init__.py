"""What results look like: figures, tables, sentences, blocks."""
