"""The engine's process: batches requests, decodes, samples."""
