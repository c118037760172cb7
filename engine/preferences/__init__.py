"""Labelling of preference pairs: projects, who sees what, votes, how far they can be trusted, and the data sets made of them."""
