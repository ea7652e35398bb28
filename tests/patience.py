"""How long a test waits for what happens at once on any machine that isn't overworked."""

PATIENCE_SECONDS = 600.0  # never the measure of anything: only a test that fails waits so long
