"""A server of the pages whose HTTP API computes its answers from a few formulas that tests know."""

from __future__ import annotations

import math
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.browser.fake_alerting import FakeAlerting
from tests.browser.fake_store import FakeStore
from tocsin.web.pages import routes

GIB = 1 << 30
HERE = {"job": "node", "instance": "vm"}
GPU = {"job": "gpu", "instance": "vm", "gpu": "0"}
SENTENCE = "query processing would load too many samples into memory"

Formula = Callable[[float], float]

# Each formula is the answer to a whole expression, found by a part of it.
MACHINE: dict[str, tuple[dict[str, str], Formula]] = {
    'mode=~"user|nice"': ({}, lambda t: 20 + 5 * math.sin(t / 60)),
    'mode=~"system|irq|softirq"': ({}, lambda _: 7.5),
    'mode=~"iowait"': ({}, lambda _: 1.5),
    'mode=~"steal"': ({}, lambda _: 0.0),
    "node_load1{": (HERE, lambda _: 0.75),
    "node_load5{": (HERE, lambda _: 0.5),
    "node_load15{": (HERE, lambda _: 0.25),
    "^count(node_cpu_seconds_total": ({}, lambda _: 2),
    "node_memory_MemAvailable_bytes{": (HERE, lambda _: 6.5 * GIB),
    "node_memory_MemTotal_bytes{": (HERE, lambda _: 16 * GIB),
    "node_memory_SwapTotal_bytes{": (HERE, lambda _: 0),
    "node_filesystem_avail_bytes{": ({"mountpoint": "/data"}, lambda _: 91.0),
    "node_disk_read_bytes_total{": ({**HERE, "device": "sda"}, lambda _: 2 * GIB / 1024),
    "node_disk_written_bytes_total{": ({**HERE, "device": "sda"}, lambda _: 1 * GIB / 1024),
}
GPUS: dict[str, tuple[dict[str, str], Formula]] = {
    "DCGM_FI_DEV_GPU_UTIL{": (GPU, lambda _: 97),
    "DCGM_FI_DEV_FB_USED{": (GPU, lambda _: 64 * GIB),
    "DCGM_FI_DEV_GPU_TEMP{": (GPU, lambda _: 88),
    "DCGM_FI_DEV_POWER_USAGE{": (GPU, lambda _: 610),
}
ALERT = {"alertname": "GPUTemperatureHigh", "severity": "critical", "instance": "vm"}
RUN_ALERT = {"alertname": "LossSpike", "severity": "warning", "run": "digits"}
STORE_ALERT = {"alertname": "SamplesRefused", "severity": "warning", "instance": "vm"}
RULES = {
    "GPUTemperatureHigh": "nvidia_gpu_temperature_celsius > 85",
    "LossSpike": "training_loss > 3",
    "SamplesRefused": "rate(tocsin_storage_rejected_samples_total[5m]) > 0",
}


@dataclass
class Run:
    """A training run: one step a second since ``start_s``."""

    start_s: float
    steps: int
    status: int
    total: int
    values: dict[str, Callable[[int], float]]

    def facts(self) -> dict[str, float]:
        return {
            "status": self.status,
            "step": self.steps,
            "total_steps": self.total,
            "start_time_seconds": self.start_s,
            "steps_per_second": 1.0,
        }

    def samples(self, metric: str) -> list[tuple[float, float]]:
        steps = range(1, self.steps + 1)
        if metric == "status":
            return [(self.start_s + step, 1 if step < self.steps else self.status) for step in steps]
        if metric in self.values:
            return [(self.start_s + step, self.values[metric](step)) for step in steps]
        fact = self.facts()[metric]
        return [(self.start_s + step, step if metric == "step" else fact) for step in steps]

    @property
    def metrics(self) -> list[str]:
        return [*self.facts(), *self.values]


def _loss(step: int) -> float:
    return 0.5 + 2 / step + (3 if step == 150 else 0)


@dataclass
class FakeApi:
    """What the server knows and how it behaves; tests change it while pages are open."""

    series: dict[str, tuple[dict[str, str], Formula]] = field(default_factory=lambda: {**MACHINE, **GPUS})
    runs: dict[str, Run] = field(default_factory=dict)
    firing: list[dict[str, str]] = field(default_factory=lambda: [ALERT])
    machine_since_s: float = 0.0
    store: FakeStore = field(default_factory=FakeStore)
    alerting: FakeAlerting = field(default_factory=FakeAlerting)
    fails: Callable[[str], bool] = lambda _: False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        now = time.time()
        values = {"loss": _loss, "learning_rate": lambda _: 3e-4, "val_accuracy": lambda step: step / 400}
        self.runs = {
            "digits": Run(now - 300, 300, 1, 1200, values),
            "long": Run(now - 7200, 3800, 3, 7600, {"loss": lambda step: 1 + (step % 2)}),
        }

    def answer(self, path: str, params: Mapping[str, str]) -> Response:
        """The answer to a request below /api/v1/."""
        expr = params.get("query") or params.get("match[]") or path
        self.asked.append(expr)
        if self.fails(expr):
            error = {"status": "error", "errorType": "execution", "error": SENTENCE}
            return JSONResponse(error, status_code=422)
        return JSONResponse({"status": "success", "data": self._data(path, params, expr)})

    def _data(self, path: str, params: Mapping[str, str], expr: str) -> object:
        match path:
            case "query":
                return self._instant(expr, float(params["time"]))
            case "query_range":
                start, end, step = (float(params[name]) for name in ("start", "end", "step"))
                grid = [start + index * step for index in range(int((end - start) / step + 1e-9) + 1)]
                return _result("matrix", self._over(expr, grid, step))
            case "series":
                return self._find(expr)
            case "status/runtimeinfo":
                return {"hostname": "vm"}
            case "rules":
                return {
                    "groups": [{"name": "g", "rules": [_rule(name, query) for name, query in RULES.items()]}]
                }
            case _:
                return ["node_load1", "training_loss", "up"]

    def _instant(self, expr: str, at_s: float) -> dict[str, object]:
        if "tocsin_" in expr:
            return _result(*self.store.instant(expr, at_s))
        if match := re.search(r'run="(\w+)"}\[(\d+)ms\]$', expr):
            run, since = self.runs[match[1]], at_s - float(match[2]) / 1000
            return _result(
                "matrix", [_raw(match[1], name, run.samples(name), since, at_s) for name in run.metrics]
            )
        if expr.startswith("timestamp(training_step)"):
            moving = {name: run for name, run in self.runs.items() if run.status == 1}
            return _result(
                "vector",
                [_point({"run": name}, run.start_s + run.steps, at_s) for name, run in moving.items()],
            )
        if "training_" in expr:
            keeps = "last_over_time" in expr
            wanted = ["status"] if "(training_status[" in expr else None
            facts = [
                _point({"__name__": f"training_{fact}", "run": name}, value, at_s)
                for name, run in self.runs.items()
                if keeps or run.status == 1
                for fact, value in run.facts().items()
                if wanted is None or fact in wanted
            ]
            return _result("vector", facts)
        if "node_load1" in expr:
            times = [at for at in (at_s - 10, at_s - 5, at_s) if at >= self.machine_since_s]
            return _result("matrix", [{"metric": HERE, "values": [[t, "0.75"] for t in times]}])
        return _result(
            "vector", [{"metric": labels, "value": [at_s, "1"]} for labels, _ in self._matching(expr)]
        )

    def _over(self, expr: str, grid: list[float], step_s: float) -> list[dict[str, object]]:
        if expr.startswith("ALERTS"):
            return [{"metric": labels, "values": [[t, "1"] for t in grid[-5:]]} for labels in self.firing]
        if "tocsin_" in expr:
            return self.store.over(expr, grid)
        if match := re.fullmatch(r'(\w+)_over_time\(training_(\w+){run="(\w+)"}\[\d+s\]\)', expr):
            return _buckets(match[1], self.runs[match[3]].samples(match[2]), match[3], grid, step_s)
        present = [t for t in grid if t >= self.machine_since_s]
        return [
            {"metric": labels, "values": [[t, str(formula(t))] for t in present]}
            for labels, formula in self._matching(expr)
            if present
        ]

    def _matching(self, expr: str) -> list[tuple[dict[str, str], Formula]]:
        if "MemAvailable" in expr:
            available, total = (
                self.series.get(f"node_memory_{name}_bytes{{") for name in ("MemAvailable", "MemTotal")
            )
            return [(HERE, lambda t: total[1](t) - available[1](t))] if available and total else []
        return [answer for part, answer in self.series.items() if part in f"^{expr}"][:1]

    def _find(self, selector: str) -> list[dict[str, str]]:
        if selector.startswith("tocsin_"):
            return self.store.find()
        if match := re.search(r'run="(\w+)"', selector):
            facts = set(self.runs[match[1]].facts()) - {"steps_per_second"} if "!~" in selector else set()
            wanted = [name for name in self.runs[match[1]].metrics if name not in facts]
            return [{"__name__": f"training_{name}", "run": match[1]} for name in wanted]
        return [{"__name__": "node_load1", **HERE}] if self.series else []


def _result(kind: str, found: list[dict[str, object]]) -> dict[str, object]:
    return {"resultType": kind, "result": found}


def _point(labels: dict[str, str], value: float, at_s: float) -> dict[str, object]:
    return {"metric": labels, "value": [at_s, str(value)]}


def _raw(
    run: str, name: str, samples: list[tuple[float, float]], since: float, until: float
) -> dict[str, object]:
    values = [[t, str(value)] for t, value in samples if since < t <= until]
    return {"metric": {"__name__": f"training_{name}", "run": run}, "values": values}


def _buckets(
    kind: str, samples: list[tuple[float, float]], run: str, grid: list[float], step_s: float
) -> list[dict[str, object]]:
    fold = {"count": len, "min": min, "max": max, "avg": lambda values: sum(values) / len(values)}[kind]
    times = [at for at, _ in samples]
    bounds = [(t, bisect_right(times, t - step_s), bisect_right(times, t)) for t in grid]
    windows = [(t, [value for _, value in samples[first:last]]) for t, first, last in bounds]
    values = [[t, str(fold(window))] for t, window in windows if window]
    return [{"metric": {"run": run}, "values": values}] if values else []


def _rule(name: str, query: str) -> dict[str, object]:
    return {"type": "alerting", "name": name, "query": query, "duration": 0, "alerts": []}


@dataclass
class Stage:
    """Holds the API that a running server answers with; a test may exchange it."""

    api: FakeApi = field(default_factory=FakeApi)


@contextmanager
def serve(stage: Stage, port: int) -> Iterator[str]:
    """Serve pages and API on a port of 127.0.0.1; ends the server on leaving."""

    async def answer(request: Request) -> Response:
        return stage.api.answer(request.path_params["path"], request.query_params)

    async def storage(_: Request) -> Response:
        body, status = stage.api.store.answer()
        return JSONResponse(body, status_code=status)

    async def alerting(request: Request) -> Response:
        query, content = request.query_params.multi_items(), await request.body()
        fake, path = stage.api.alerting, request.url.path
        body, status = fake.answer(request.method, path, query, content, stage.api.firing)
        return JSONResponse(body, status_code=status)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok")

    own = [
        Route("/api/v1/{path:path}", answer),
        Route("/api/tocsin/storage", storage),
        Route("/api/tocsin/alerts", alerting),
        Route("/api/tocsin/incidents", alerting),
        Route("/api/tocsin/incidents/{path:path}", alerting, methods=["GET", "POST"]),
        Route("/api/v2/{path:path}", alerting, methods=["GET", "POST", "DELETE"]),
        Route("/-/healthy", healthy),
    ]
    app = Starlette(routes=[*own, *routes()])
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the test server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
