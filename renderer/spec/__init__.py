"""A spec file -> Song: source text with spans, schema, lyrics, diagnostics."""
