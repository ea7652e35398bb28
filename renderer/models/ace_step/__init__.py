"""ACE-Step 1.5: 5 Hz LM -> DiT -> Oobleck VAE."""
