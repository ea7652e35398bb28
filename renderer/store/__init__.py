"""What stays on disk: artifacts by key, and the journal of runs."""
