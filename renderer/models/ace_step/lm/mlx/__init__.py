"""The LM on MLX, on Metal or a CPU; slots, grammar and draws are those of every device."""

import os

# Before MLX is first used: on M5 its float32 products would have the mantissa of TF32 (ml-explore/mlx#3534).
os.environ.setdefault("MLX_ENABLE_TF32", "0")
