"""What `make run` and `make test` do before anything else: the environment, and one app per home."""
