"""The gap at the output of a deep network, and its limit for wide random ones."""
