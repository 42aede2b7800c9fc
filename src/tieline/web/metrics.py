"""The metrics of this process for Prometheus: requests, their durations, connections. No ids, no secrets."""

from bisect import bisect_left
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import cast

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from tieline.postgres.connections import Connections
from tieline.web.request import Request

HEADERS = (("content-type", prometheus_client.CONTENT_TYPE_PLAIN_0_0_4), ("cache-control", "no-store"))
# From the milliseconds of a look-up to the timeout of a statement.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Other methods count as one: clients choose them, and each value of a label takes memory for good.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class Durations:
    """The number of requests up to each bound of BUCKETS (the last one: above all bounds), and their total time."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


class Answers:
    """The answers so far, as a collector. Prometheus's own counters would cost ten times as much a request."""

    def __init__(self) -> None:
        # By method, route and status.
        self._durations: dict[tuple[str, str, int], Durations] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        place = (method, route, status)
        durations = self._durations.get(place)
        if durations is None:
            durations = self._durations[place] = Durations()
        durations.counts[bisect_left(BUCKETS, seconds)] += 1
        durations.seconds += seconds

    def collect(self) -> Generator[CounterMetricFamily | HistogramMetricFamily]:
        """The series of requests and of their durations."""
        requests = CounterMetricFamily(
            "tieline_requests", "Requests that were answered.", labels=("method", "route", "status")
        )
        routes: dict[str, Durations] = {}
        for (method, route, status), durations in self._durations.items():
            requests.add_metric((method, route, str(status)), sum(durations.counts))
            of_route = routes.setdefault(route, Durations())
            of_route.counts = [a + b for a, b in zip(of_route.counts, durations.counts, strict=True)]
            of_route.seconds += durations.seconds
        yield requests
        histogram = HistogramMetricFamily(
            "tieline_request_duration_seconds",
            "The duration of requests, from the head to the answer.",
            labels=("route",),
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for route, durations in routes.items():
            histogram.add_metric(
                (route,), list(zip(bounds, accumulate(durations.counts), strict=True)), durations.seconds
            )
        yield histogram


class Metrics:
    """The numbers of this process; with several workers each has its own."""

    def __init__(self, connections: Connections, in_flight: Callable[[], int]) -> None:
        """`in_flight`: how many requests are under way."""
        # The creation time of each series would be half of the page.
        prometheus_client.disable_created_metrics()
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry)
        self._answers = Answers()
        registry.register(cast(Collector, self._answers))
        _gauge(registry, "tieline_requests_in_flight", "Requests in flight.", in_flight)
        open_connections = Gauge("tieline_database_connections", "Open connections.", ("lane",), registry=registry)
        in_use = Gauge(
            "tieline_database_connections_in_use", "Connections that run a statement.", ("lane",), registry=registry
        )
        for lane in connections.lanes:
            open_connections.labels(lane).set_function(lambda lane=lane: connections.usage(lane)[0])
            in_use.labels(lane).set_function(lambda lane=lane: connections.usage(lane)[1])
        waiting = "Requests that wait for a connection."
        _gauge(registry, "tieline_database_waiting", waiting, lambda: connections.waiting)

    def count(self, request: Request, status: int, seconds: float) -> None:
        """Count an answer."""
        method = request.method if request.method in METHODS else "other"
        self._answers.count(method, request.route or "none", status, seconds)

    def page(self) -> bytes:
        """The numbers now, in Prometheus's text format."""
        return prometheus_client.generate_latest(self._registry)


def _gauge(registry: CollectorRegistry, name: str, documentation: str, value: Callable[[], int]) -> None:
    Gauge(name, documentation, registry=registry).set_function(value)
