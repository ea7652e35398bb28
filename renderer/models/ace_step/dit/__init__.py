"""The DiT and its encoders: codes or noise to latents."""
