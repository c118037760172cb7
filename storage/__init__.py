"""Where facts lie: the only SQL, the only paths."""
