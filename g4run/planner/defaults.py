"""What a model is loaded with where nobody says otherwise."""

DEFAULT_CONTEXT = 8192  # tokens; at E2B's shape 60 MiB of cache, at 31B's 1.8 GiB
MICRO_BATCH = 512  # tokens computed at once
