"""A local double of the ModelGates API that really speaks."""
