"""Documents that answers are looked up in: cut into passages, kept in an index, found by words and by meaning."""
