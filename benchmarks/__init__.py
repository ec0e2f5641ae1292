"""Measurements beside their budgets and peers: ``make bench``."""
