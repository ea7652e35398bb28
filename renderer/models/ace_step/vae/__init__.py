"""The VAE's decoder: latents to sound."""
