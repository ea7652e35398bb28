"""Saves -> a quiet moment -> what changed -> a render; announced as notices, shown as lines or as a screen."""
