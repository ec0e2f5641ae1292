"""The monitor that whatever answers requests with a model reports to."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from tocsin.sdk.inference.context import innermost
from tocsin.sdk.inference.core import Core, Settings
from tocsin.sdk.inference.ledger import INTAKE_LIMIT
from tocsin.sdk.inference.quality import USUAL_QUALITY, QualitySettings
from tocsin.sdk.inference.request import Request
from tocsin.sdk.inference.sample_log import SampleLog
from tocsin.sdk.inference.streams import Chunks, Count, WatchedAsyncStream, WatchedStream
from tocsin.sdk.inference.tally import LATENCY_LIMITS_S
from tocsin.sdk.inference.watching import watched

Function = TypeVar("Function", bound=Callable[..., Any])


class InferenceMonitor:
    """Measures requests to a model; nothing it does raises into them, blocks them or slows them down.

    Everything that asks for a measurement is one request: ``with monitor:`` and ``async with monitor:``,
    :meth:`request`, :meth:`watch`, :meth:`stream` and :meth:`record`, from any thread, task or forked
    process. Once a second the newest values go to the tocsin on this machine, to ``url`` or to
    ``TOCSIN_URL``.

    It opens itself when the first request comes, which takes some milliseconds, and closes itself when the
    program ends; :meth:`start` and :meth:`close` do so at other times.

    ``name`` names the model and is the label ``model`` of all series; ``labels`` are further ones, and so are
    those in the variable ``TOCSIN_LABELS``. ``port`` serves ``/metrics`` on 127.0.0.1 as well; 0 takes any
    free port. ``queue_capacity`` says how many requests may wait. ``latency_limits_s`` are the limits of the
    buckets of the latency. ``gen_ai`` adds OpenTelemetry's names for generative AI: True, or attributes such
    as ``{"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}``. ``samples`` keeps a sample of
    inputs and outputs; ``quality`` bounds what :meth:`predicted` and :meth:`labelled` keep. ``monotonic_s``
    is the clock.

    What is wrong with the arguments or values is logged once, by the logger ``tocsin``.

    >>> monitor = InferenceMonitor("digits")
    >>> with monitor.request(route="/predict") as request:
    ...     request.batch_size = 8
    >>> monitor.record(0.012, tokens=40, first_token_s=0.003)
    >>> monitor.close()
    """

    def __init__(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        url: str | None = None,
        port: int | None = None,
        queue_capacity: int | None = None,
        latency_limits_s: Sequence[float] = LATENCY_LIMITS_S,
        gen_ai: bool | Mapping[str, str] = False,
        samples: SampleLog | None = None,
        quality: QualitySettings = USUAL_QUALITY,
        monotonic_s: Callable[[], float] = perf_counter,
    ) -> None:
        settings = Settings(
            labels=labels,
            url=url,
            port=port,
            queue_capacity=queue_capacity,
            latency_limits_s=latency_limits_s,
            gen_ai=gen_ai,
            samples=samples,
            quality=quality,
            monotonic_s=monotonic_s,
        )
        self._core = Core(name, settings)

    def record(
        self,
        latency_s: float,
        *,
        tokens: float | None = None,
        input_tokens: float | None = None,
        first_token_s: float | None = None,
        queue_wait_s: float | None = None,
        batch_size: float | None = None,
        cache_hit: bool | None = None,
        status: str | None = None,
        error: object = None,
        route: str | None = None,
    ) -> None:
        """Report a request that was measured elsewhere; costs about a microsecond.

        ``status`` is ``success``, ``error``, ``abort`` or a class such as ``5xx``, by default what ``error``
        says. ``error`` is an exception, its class, or a short text.
        """
        # What stands here cannot fail and costs nanoseconds; whatever can fail is guarded where it stands.
        core = self._core
        core.append(
            (
                route,
                latency_s,
                status,
                error,
                first_token_s,
                tokens,
                input_tokens,
                queue_wait_s,
                batch_size,
                cache_hit,
            )
        )
        if len(core.intake) >= INTAKE_LIMIT:
            core.relieve()

    def request(self, *, route: str | None = None) -> Request:
        """A request that begins now, for ``with`` or ``async with``."""
        return Request(self._core, self._core.monotonic_s, route)

    def current(self) -> Request | None:
        """The innermost request under way in this task or thread."""
        return innermost(self._core)

    def stream(
        self,
        source: Iterable[Any] | AsyncIterable[Any],
        *,
        tokens: Count | None = None,
        route: str | None = None,
    ) -> Any:
        """The same iterator, synchronous or not, as a request that lasts until its end.

        Each chunk is one token, or as many as ``tokens(chunk)`` says; the first one ends the time to the
        first token.
        """
        chunks = Chunks(self.request(route=route), tokens, self._core.guard)
        if isinstance(source, AsyncIterable):
            return WatchedAsyncStream(source, chunks)
        return WatchedStream(source, chunks)

    @overload
    def watch(self, function: Function, /) -> Function: ...

    @overload
    def watch(
        self, /, *, route: str | None = None, tokens: Count | None = None
    ) -> Callable[[Function], Function]: ...

    def watch(self, function: Any = None, /, *, route: str | None = None, tokens: Count | None = None) -> Any:
        """A decorator that makes each call of a function a request: plain, ``async``, generator or both.

        ``tokens`` says how many output tokens a result holds, or a chunk of a generator's.
        """

        def wrap(given: Function) -> Any:
            return watched(given, lambda: self.request(route=route), tokens, self._core.guard)

        return wrap if function is None else wrap(function)

    def __enter__(self) -> Request:
        return self.request().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        request = self.current()
        if request is not None:
            request.__exit__(kind, fault, traceback)
            return
        self._core.guard.tell_once(
            "with", "a block is left elsewhere than it was entered; use request() there"
        )

    async def __aenter__(self) -> Request:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, fault, traceback)

    def batch(self, size: float) -> None:
        """A batch of so many requests was computed."""
        self._core.put_aside("batch", size)

    def cache(self, *, hits: int = 0, misses: int = 0) -> None:
        """A cache was asked and had, or had not, what was wanted."""
        self._core.put_aside("cache", (hits, misses))

    def queue(self, length: int, capacity: int | None = None) -> None:
        """So many requests wait, of so many that may, where :meth:`Request.waiting` does not see it."""
        self._core.queue(length, capacity)

    def sample(self, key: object | None = None, *, inputs: Any = None, outputs: Any = None) -> None:
        """Offer inputs and outputs to the sample log; ``key`` is the id under which a label may come later.

        They are read within a second, in another thread, and must not change until then.
        """
        self._core.offer(key, inputs=inputs, outputs=outputs)

    def predicted(self, key: object, label: object) -> None:
        """The class that was predicted under an id, which waits for its label."""
        self._core.say(key, label, is_label=False)

    def labelled(self, key: object, label: object) -> None:
        """The true class of what was predicted under an id."""
        self._core.say(key, label, is_label=True)
        self._core.offer(key, label=label)

    async def get_latency_metrics(self) -> dict[str, float]:
        """What is known of the newest minute, by name; what nobody has told is left out.

        ``latency_p50_seconds``, ``…_p95…``, ``…_p99…`` and ``…_mean…``, the quantiles of
        ``time_to_first_token`` and ``time_per_output_token``, ``requests_per_second``, ``tokens_per_second``,
        ``input_tokens_per_second``, ``availability_ratio``, ``error_ratio``, ``requests_in_flight`` and
        ``queue_length``. Quantiles are within 1 %.
        """
        return self._core.latency_metrics()

    @property
    def port(self) -> int | None:
        """The port of ``/metrics``, or None when it is not served."""
        return self._core.port

    def start(self) -> Self:
        """Open it now rather than when the first request comes."""
        self._core.start()
        return self

    def close(self) -> None:
        """Send the newest values and stop, within two seconds; later requests are not counted."""
        self._core.close()

    async def aclose(self) -> None:
        """The same, without holding up the event loop."""
        import asyncio  # noqa: PLC0415 - only an asynchronous program pays for it

        with self._core.guard:
            await asyncio.to_thread(self.close)
        self.close()  # where the thread could not be had
