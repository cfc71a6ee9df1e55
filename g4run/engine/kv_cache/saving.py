"""Sequences to disk and back, between the prompt cache and engine/saved_states.py."""

import os
from pathlib import Path

from g4run.engine.kv_cache.prompt_cache import PromptCache
from g4run.engine.kv_cache.state_files import SavedSettings, read_saved, write_saved
from g4run.engine.protocol import Failed, Restore, Restored, Save, Saved
from g4run.errors import SavedStateRefused


def save_sequence(command: Save, cache: PromptCache, settings: SavedSettings) -> Saved | Failed:
    """Write the kept sequence that has most in common with the command's tokens."""
    stored = cache.stored_form(command.tokens)
    if stored is None:
        return Failed(command.request_id, "nothing of this conversation is computed", "refused")
    path = Path(os.fsdecode(command.path))
    try:
        size = write_saved(path, stored, settings)
    except OSError as error:
        return Failed(command.request_id, f"{path} cannot be written: {_reason(error)}", "refused")
    return Saved(command.request_id, len(stored.tokens), size)


def restore_sequence(command: Restore, cache: PromptCache, settings: SavedSettings) -> Restored | Failed:
    """Read a saved sequence into RAM, from where the next prompt that begins with its tokens takes it."""
    path = Path(os.fsdecode(command.path))
    try:
        stored = read_saved(path, settings)
    except SavedStateRefused as refused:
        return Failed(command.request_id, refused.message, "refused")
    except OSError as error:
        return Failed(command.request_id, f"{path} cannot be read: {_reason(error)}", "refused")
    cache.take_in(stored)
    return Restored(command.request_id, stored.tokens)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
