"""Answer requests with a model that reads handwritten digits, watched by tocsin.

The model is real: scikit-learn's logistic regression on scikit-learn's digits. Starlette and uvicorn serve
it, clients in threads ask it, and the true digits come a little later, as labels do.

    tocsin up &
    python examples/serve_digits.py --requests 2000
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import numpy as np
import uvicorn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import tocsin
from tocsin.integrations.asgi import InferenceMiddleware

TRAINING_SIZE = 600
CLIENTS = 4
LABEL_DELAY_S = 0.2

monitor = tocsin.InferenceMonitor("digits", queue_capacity=2 * CLIENTS)


class Digits:
    """The model, which works at one request at a time, and the images that clients ask about."""

    def __init__(self) -> None:
        pixels, digits = load_digits(return_X_y=True)
        self.model = LogisticRegression(max_iter=200).fit(pixels[:TRAINING_SIZE], digits[:TRAINING_SIZE])
        self.images, self.digits = pixels[TRAINING_SIZE:], digits[TRAINING_SIZE:]
        self.turn = asyncio.Lock()

    async def predict(self, request: Request) -> Response:
        pixels = np.array((await request.json())["pixels"], ndmin=2)
        watched = monitor.current()
        if watched is None:
            raise RuntimeError("the middleware measures every request")
        async with watched.waiting():
            await self.turn.acquire()
        try:
            digit = int((await asyncio.to_thread(self.model.predict, pixels))[0])
        finally:
            self.turn.release()
        watched.batch_size = len(pixels)
        monitor.predicted(request.path_params["key"], digit)
        return JSONResponse({"digit": digit})


@contextmanager
def served(digits: Digits) -> Iterator[str]:
    app = Starlette(
        routes=[Route("/predict/{key}", digits.predict, methods=["POST"])],
        middleware=[Middleware(InferenceMiddleware, monitor=monitor, routes=["/predict/{key}"])],
    )
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def ask(digits: Digits, url: str, requests: int) -> None:
    with httpx.Client(base_url=url) as client, ThreadPoolExecutor(CLIENTS) as clients:

        def one(number: int) -> None:
            position = number % len(digits.images)
            client.post(f"/predict/{number}", json={"pixels": digits.images[position].tolist()})
            timer = threading.Timer(
                LABEL_DELAY_S, monitor.labelled, (str(number), int(digits.digits[position]))
            )
            timer.start()

        for _ in clients.map(one, range(requests)):
            pass
        time.sleep(2 * LABEL_DELAY_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000, help="how many digits are asked for")
    arguments = parser.parse_args()
    digits = Digits()
    with served(digits) as url:
        ask(digits, url, arguments.requests)
        for name, value in sorted(asyncio.run(monitor.get_latency_metrics()).items()):
            print(f"{name:32} {value:.4g}")


if __name__ == "__main__":
    main()
