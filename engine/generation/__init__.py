"""Answers: from a host process that serves the pages, and in batches inside a worker."""
