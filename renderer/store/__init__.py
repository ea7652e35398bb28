"""What stays on disk: artifacts by key, take records, and the journal of runs."""
