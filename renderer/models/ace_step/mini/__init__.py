"""The embedded model `mini`, a small set of ACE-Step 1.5's own classes. What made it is in `tests/mini_factory`."""
