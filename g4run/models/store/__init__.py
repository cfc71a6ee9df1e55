"""Records of names, their removal, and disk usage."""
