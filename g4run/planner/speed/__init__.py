"""Estimate how fast a plan runs, from what each device must read and compute."""
