"""Model sets and their stages. The only place that imports torch, transformers and diffusers, and only below it."""
