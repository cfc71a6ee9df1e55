"""The known files of the family: what can be had, and what is known of it."""
