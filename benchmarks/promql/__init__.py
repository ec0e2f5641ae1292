"""PromQL beside Prometheus and VictoriaMetrics: the same series, the same queries, the same answers."""

from benchmarks.promql.report import rows

__all__ = ["rows"]
