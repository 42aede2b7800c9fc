"""What Prometheus may know of this process: how many requests, how long they took, what waits. No ids, no secrets."""

from collections.abc import Callable

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from tieline.store.connections import Connections, Lane
from tieline.web.request import Request

HEADERS = (("content-type", prometheus_client.CONTENT_TYPE_PLAIN_0_0_4), ("cache-control", "no-store"))
# A look-up takes a millisecond, a statement at the most its timeout.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Clients choose the method, and each value of a label is kept for the life of the process.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Series = tuple[Counter, Histogram]


class Metrics:
    """The numbers of this process; with several workers each has its own."""

    def __init__(self, connections: Connections, in_flight: Callable[[], int]) -> None:
        """`in_flight`: how many requests are under way."""
        # The time at which each series began would be half of the page.
        prometheus_client.disable_created_metrics()
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "tieline_requests", "Requests that were answered.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "tieline_request_duration_seconds",
            "How long requests took, from head to answer.",
            ("route",),
            buckets=BUCKETS,
            registry=registry,
        )
        # To find a series by its labels takes as long as to count in it.
        self._series: dict[tuple[str, str, int], Series] = {}
        _gauge(registry, "tieline_requests_in_flight", "Requests that are under way.", in_flight)
        open_connections = Gauge("tieline_database_connections", "Open connections.", ("lane",), registry=registry)
        in_use = Gauge("tieline_database_connections_in_use", "Connections at work.", ("lane",), registry=registry)
        for lane in Lane:
            open_connections.labels(lane.name.lower()).set_function(lambda lane=lane: connections.usage(lane)[0])
            in_use.labels(lane.name.lower()).set_function(lambda lane=lane: connections.usage(lane)[1])
        waiting = "Requests that wait for a connection."
        _gauge(registry, "tieline_database_waiting", waiting, lambda: connections.waiting)

    def count(self, request: Request, status: int, seconds: float) -> None:
        """Count an answer."""
        method = request.method if request.method in METHODS else "other"
        place = (method, request.route, status)
        series = self._series.get(place)
        if series is None:
            route = request.route or "none"
            series = self._series[place] = (
                self._requests.labels(method, route, str(status)),
                self._seconds.labels(route),
            )
        counter, histogram = series
        counter.inc()
        histogram.observe(seconds)

    def page(self) -> bytes:
        """The numbers now, in Prometheus's text format."""
        return prometheus_client.generate_latest(self._registry)


def _gauge(registry: CollectorRegistry, name: str, documentation: str, value: Callable[[], int]) -> None:
    Gauge(name, documentation, registry=registry).set_function(value)
