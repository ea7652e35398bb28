"""Which model sets there are and what lies on disk: known sets, layouts, fingerprints, downloads. Imports no torch."""
