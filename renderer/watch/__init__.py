"""Saves -> a quiet moment -> what changed -> a round of rendering; told as events, shown as lines or as a screen."""
