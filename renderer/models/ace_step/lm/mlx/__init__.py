"""The LM on MLX, on Metal or a CPU; slots, grammar and draws are those of every device."""
