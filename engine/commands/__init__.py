"""The command line, a file a noun. Each command is a function from parsed arguments to an exit code."""
