"""Compute how much memory a model takes on each device, to the byte."""
