"""Parse the names of models."""
