"""The LM on MLX, on Metal or a CPU; slots, grammar and draws are those of every device."""

from renderer.models.device import exact_mlx

exact_mlx()
