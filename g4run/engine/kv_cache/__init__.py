"""What the engine keeps of computed prompts: prompt cache, SWA checkpoints, host cache, state files."""
