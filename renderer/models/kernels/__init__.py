"""Building blocks of torch that know nothing of a model family."""
