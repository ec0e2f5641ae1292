"""Processes that share one ``/metrics``: each leaves what it knows in a file, and one serves them all."""
