"""From a name to files that are here and right."""
