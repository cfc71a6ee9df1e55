"""The command line: commands, arguments, views, and output."""
