"""Specs -> takes: what is meant, planned, rendered, kept and told."""
