"""The command line: commands, views, output."""
