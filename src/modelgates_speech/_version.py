"""The version of this package, kept where reading it costs nothing."""

__version__ = "0.1.0"
