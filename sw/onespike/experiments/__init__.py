"""Experiments: rows of a table, each a network trained with one recipe and some seeds, measured and committed."""
