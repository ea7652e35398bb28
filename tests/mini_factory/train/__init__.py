"""How `mini` was taught: codec, then DiT and LM on what the codec makes of the composer's songs."""
