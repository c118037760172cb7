"""Tools that a model may call while it answers, and the conversations in which it does."""
