"""ACE-Step's rules: what its stages are asked, in its own words. No torch, no files."""
