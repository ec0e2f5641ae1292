"""The store: its interface, the newest hours in memory, and DuckDB behind them."""

from tocsin.storage.duckdb import DuckDBStorage, StorageSettings
from tocsin.storage.head import Head
from tocsin.storage.interface import Appendable, Queryable, Storage, SummaryReader
from tocsin.storage.usage import StorageUsage, TierUsage

__all__ = [
    "Appendable",
    "DuckDBStorage",
    "Head",
    "Queryable",
    "Storage",
    "StorageSettings",
    "StorageUsage",
    "SummaryReader",
    "TierUsage",
]
