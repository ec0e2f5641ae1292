"""What the model servers of others say: vLLM, Triton, TGI, TorchServe, Ray Serve and KServe.

Names and labels are those of their documentation; times are in the units of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from tests.rules.packs.exporters import Told

Said = Iterator[tuple[str, dict[str, str], float]]

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MILLISECONDS = (0.5, 1.0, 2.5, 12.5, 50.0, 100.0, 250.5, 1000.0, 1500.5, 2500.0, 5000.0, 10000.0, 60000.0)


class ModelServerOfOthers(Told):
    """A server with one model ``m``, at first with a little to do."""

    name = ""
    knows_wait = True
    normal: ClassVar[Mapping[str, float]] = {
        "latency_s": 0.2,
        "errors": 0.01,
        "queue": 2,
        "wait_s": 0.02,
        "first_token_s": 0.1,
        "rate": 20,
    }

    def histogram(
        self, name: str, labels: dict[str, str], value: float, count: float, limits: Sequence[float] = SECONDS
    ) -> Said:
        """One that takes ``count`` times a value."""
        for limit in limits:
            amount = count if value <= limit else 0.0
            yield f"{name}_bucket", {**labels, "le": str(limit)}, self.counted(f"{name}{limit}", amount)
        yield f"{name}_bucket", {**labels, "le": "+Inf"}, self.counted(f"{name}_count", count)
        yield f"{name}_count", labels, self.amounts[f"{name}_count"]
        yield f"{name}_sum", labels, self.counted(f"{name}_sum", value * count)


class Vllm(ModelServerOfOthers):
    name = "vllm"

    def say(self, at_s: float, passed_s: float, state: Mapping[str, float]) -> Said:
        labels = {"model_name": "m", "engine": "0"}
        done, failed = state["rate"] * passed_s, state["errors"] * state["rate"] * passed_s
        histograms = {
            "e2e_request_latency": "latency_s",
            "request_queue_time": "wait_s",
            "time_to_first_token": "first_token_s",
            "request_time_per_output_token": "wait_s",
        }
        for name, part in histograms.items():
            yield from self.histogram(f"vllm:{name}_seconds", labels, state[part], done)
        for reason, share in (("stop", 0.7), ("length", 0.3)):
            amount = self.counted(reason, (done - failed) * share)
            yield "vllm:request_success_total", {**labels, "finished_reason": reason}, amount
        yield "vllm:request_success_total", {**labels, "finished_reason": "error"}, self.counted("e", failed)
        yield "vllm:num_requests_waiting", labels, state["queue"]
        yield "vllm:num_requests_running", labels, 3.0
        yield "vllm:kv_cache_usage_perc", labels, 0.5
        for name in ("prompt_tokens", "generation_tokens", "prefix_cache_queries", "prefix_cache_hits"):
            yield f"vllm:{name}_total", labels, self.counted(name, 100 * done)


class Triton(ModelServerOfOthers):
    name = "triton"

    def say(self, at_s: float, passed_s: float, state: Mapping[str, float]) -> Said:
        labels = {"model": "m", "version": "1"}
        done, failed = state["rate"] * passed_s, state["errors"] * state["rate"] * passed_s
        yield "nv_inference_request_success", labels, self.counted("done", done - failed)
        for reason in ("BACKEND", "CANCELED"):
            amount = self.counted(reason, failed / 2)
            yield "nv_inference_request_failure", {**labels, "reason": reason}, amount
        for name, part in (("request", "latency_s"), ("queue", "wait_s")):
            amount = self.counted(name, state[part] * 1e6 * (done - failed))
            yield f"nv_inference_{name}_duration_us", labels, amount
        yield "nv_inference_count", labels, self.counted("count", 4 * done)
        yield "nv_inference_exec_count", labels, self.counted("executions", done)
        yield "nv_inference_pending_request_count", labels, state["queue"]
        yield "nv_cache_num_hits_per_model", labels, self.counted("hits", done)
        yield "nv_cache_num_misses_per_model", labels, self.counted("misses", done)
        first = "nv_inference_first_response_histogram_ms"
        yield from self.histogram(first, labels, state["first_token_s"] * 1000, done, MILLISECONDS)


class Tgi(ModelServerOfOthers):
    name = "tgi"

    def say(self, at_s: float, passed_s: float, state: Mapping[str, float]) -> Said:
        done, failed = state["rate"] * passed_s, state["errors"] * state["rate"] * passed_s
        yield from self.histogram("tgi_request_duration", {}, state["latency_s"], done)
        yield from self.histogram("tgi_request_queue_duration", {}, state["wait_s"], done)
        yield from self.histogram("tgi_request_mean_time_per_token_duration", {}, 0.02, done)
        yield "tgi_request_success", {}, self.counted("done", done - failed)
        yield "tgi_request_failure", {"err": "overloaded"}, self.counted("failed", failed)
        yield "tgi_queue_size", {}, state["queue"]
        yield "tgi_batch_current_size", {}, 4.0
        for name in ("generated_tokens", "input_length"):
            yield f"tgi_request_{name}_sum", {}, self.counted(name, 100 * done)


class TorchServe(ModelServerOfOthers):
    name = "torchserve"

    def say(self, at_s: float, passed_s: float, state: Mapping[str, float]) -> Said:
        labels = {"model_name": "m", "model_version": "1.0", "hostname": "h"}
        done, failed = state["rate"] * passed_s, state["errors"] * state["rate"] * passed_s
        yield "ts_inference_requests_total", labels, self.counted("done", done)
        for name, part in (("inference", "latency_s"), ("queue", "wait_s")):
            yield f"ts_{name}_latency_microseconds", labels, self.counted(name, state[part] * 1e6 * done)
        host = {"Level": "Host", "Hostname": "h"}
        for name, amount in (("2XX", done - failed), ("4XX", 0.0), ("5XX", failed)):
            yield f"Requests{name}", host, self.counted(name, amount)


class RayServe(ModelServerOfOthers):
    name = "ray_serve"
    knows_wait = False

    def say(self, at_s: float, passed_s: float, state: Mapping[str, float]) -> Said:
        labels = {"application": "m", "route": "/", "method": "POST", "WorkerId": "w1"}
        done, failed = state["rate"] * passed_s, state["errors"] * state["rate"] * passed_s
        latency = "ray_serve_http_request_latency_ms"
        yield from self.histogram(latency, labels, state["latency_s"] * 1000, done, MILLISECONDS)
        yield "ray_serve_num_http_requests_total", labels, self.counted("done", done)
        if failed or "failed" in self.amounts:
            wrong = {**labels, "error_code": "500"}
            yield "ray_serve_num_http_error_requests_total", wrong, self.counted("failed", failed)
        yield "ray_serve_num_ongoing_http_requests", {"node_id": "n"}, 3.0
        queued = {"application": "m", "deployment": "d"}
        yield "ray_serve_deployment_queued_queries", queued, state["queue"]


class KServe(ModelServerOfOthers):
    name = "kserve"
    knows_wait = False

    def say(self, at_s: float, passed_s: float, state: Mapping[str, float]) -> Said:
        done, failed = state["rate"] * passed_s, state["errors"] * state["rate"] * passed_s
        yield from self.histogram("request_predict_seconds", {"model_name": "m"}, state["latency_s"], done)
        for code, amount in (("2xx", done - failed), ("5xx", failed)):
            labels = {"response_code": f"{code[0]}00", "response_code_class": code}
            yield "revision_request_count", labels, self.counted(code, amount)
        yield "revision_queue_depth", {}, state["queue"]


SERVERS = (Vllm, Triton, Tgi, TorchServe, RayServe, KServe)
