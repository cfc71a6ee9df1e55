"""Reuse of computed prompts: prompt cache, SWA checkpoints, host cache, state files."""
