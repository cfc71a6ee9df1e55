"""One large file over HTTP: in ranges, resumable, hashed as it comes."""
