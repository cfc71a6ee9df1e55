"""Models that other programs have."""
