"""How work runs in the background: queued by a verb, claimed by the supervisor, done by a worker, told by a reporter."""
