"""A song project's history: what files were at a revision, read from git's own files without git running."""
