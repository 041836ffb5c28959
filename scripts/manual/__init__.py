"""The documentation site: assembled from `docs/`, built by Zensical, checked, repeated for AI."""
