"""Takes as they lie on disk: audio with its tags, recipe and sidecar, versions, pinned codes, votes, measurements."""
