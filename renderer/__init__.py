"""Songs kept as TOML specs, rendered with ACE-Step 1.5. Importing this imports no torch."""

__version__ = "0.1.0"
