"""The generator, what it is given, and what is written beside what it writes."""
