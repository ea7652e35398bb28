"""Plan -> artifacts: the worker process, the wire to it, the executor, as a stream of events."""
