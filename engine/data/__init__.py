"""What rows are and how they come in: reading files, recognising their format, checking, freezing."""
