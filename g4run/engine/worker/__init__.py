"""The engine's worker process: batches requests, decodes, samples."""
