"""The queries: what dashboards and rules ask of a fleet of hosts.

An answer of VictoriaMetrics is compared where its functions mean the same as Prometheus'; ``differs_because``
says why it is not where they do not.
"""

from __future__ import annotations

from dataclasses import dataclass

HOST = 'instance="host-0001:9100"'

RATE = "its rate() and increase() count from the sample before the window and do not extrapolate"

HOUR_S = 3600
STEPS_S = (15, 60)


@dataclass(frozen=True)
class Query:
    """An expression; ``range_s`` 0 makes it an instant query, else it is asked at both steps."""

    title: str
    expression: str
    range_s: int = 3 * HOUR_S
    differs_because: str = ""


QUERIES = (
    Query("one series", f"node_load1{{{HOST}}}"),
    Query("one host", f"{{{HOST}}}"),
    Query("rate of one host", f"rate(node_cpu_seconds_total{{{HOST}}}[5m])", differs_because=RATE),
    Query("sum(rate()), a fifth of all", "sum(rate(http_requests_total[5m]))", differs_because=RATE),
    Query(
        "sum by (rate()), a fifth of all",
        "sum by (handler, code) (rate(http_requests_total[5m]))",
        differs_because=RATE,
    ),
    Query("average by instance", "avg by (instance) (node_hwmon_temp_celsius)"),
    Query(
        "topk of sums of rates",
        "topk(5, sum by (instance) (rate(node_network_receive_bytes_total[5m])))",
        differs_because=RATE,
    ),
    Query("quantile_over_time", "quantile_over_time(0.95, node_load1[30m])"),
    Query("max(max_over_time)", "max(max_over_time(node_hwmon_temp_celsius[10m]))"),
    Query("division, one to one", "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"),
    Query(
        "error ratio by instance",
        'sum by (instance) (rate(http_requests_total{code=~"5.."}[5m]))'
        " / sum by (instance) (rate(http_requests_total[5m]))",
        differs_because=RATE,
    ),
    Query(
        "join with group_left",
        'sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))'
        " * on (instance) group_left (nodename, release) node_uname_info",
        differs_because=RATE,
    ),
    Query("== … offset", "node_filesystem_avail_bytes == node_filesystem_avail_bytes offset 5m"),
    Query(
        "z-score over an hour",
        "(node_load1 - avg_over_time(node_load1[1h])) / stddev_over_time(node_load1[1h])",
        range_s=2 * HOUR_S,
    ),
    Query(
        "subquery",
        "max_over_time(sum(rate(http_requests_total[5m]))[30m:1m])",
        differs_because=RATE,
    ),
    Query("instant: threshold", "node_hwmon_temp_celsius > 65", range_s=0),
    Query(
        "instant: threshold of a ratio",
        "node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.2",
        range_s=0,
    ),
    Query(
        "instant: threshold of rates",
        'rate(http_requests_total{code="500"}[5m]) > 40',
        range_s=0,
        differs_because=RATE,
    ),
    Query(
        "instant: predict_linear",
        "predict_linear(node_filesystem_avail_bytes[1h], 4 * 3600) < 0",
        range_s=0,
    ),
    Query(
        "instant: average by instance over 3 h",
        "avg by (instance) (avg_over_time(node_hwmon_temp_celsius[3h]))",
        range_s=0,
    ),
)
