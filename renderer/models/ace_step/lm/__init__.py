"""The 5 Hz LM: chains of thought and audio codes."""
