"""A loaded model you can talk to, and what the command line and a server share."""
