"""Download one large file over HTTP: in parallel ranges, resumable, and hashed as it arrives."""
