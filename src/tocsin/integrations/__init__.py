"""Watching machine-learning frameworks: one file each, and none is imported before its file is."""
