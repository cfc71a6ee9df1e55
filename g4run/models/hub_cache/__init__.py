"""The shared Hugging Face cache on disk: layout, locks, removal."""
