"""The commands that fix things, by tool."""
