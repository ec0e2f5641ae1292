"""Requests to a model, measured where they are answered."""

from __future__ import annotations

from tocsin.sdk.inference.monitor import InferenceMonitor

__all__ = ["InferenceMonitor"]
