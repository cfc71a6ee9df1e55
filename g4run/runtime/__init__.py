"""A loaded model one can talk to."""
