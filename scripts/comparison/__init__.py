"""Two editions of a document: what changed, for whom, and how it is told."""
