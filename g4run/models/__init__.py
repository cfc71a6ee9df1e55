"""Models: their names, files, and sources, and where they are stored on disk."""
