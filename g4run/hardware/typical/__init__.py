"""Typical machines: those with a name, and personal computers by their memory."""
