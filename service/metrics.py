"""Figures for operators: counts and times by route, never by person."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Metrics:
    """The figures of one process. Labels come from our own routes, so nobody can grow them from outside."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "erti_http_answers_total",
            "Answers by route",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "erti_http_seconds", "Time to answer by route", ["route"], registry=self.registry
        )
        self.ledger_size = Gauge("erti_ledger_size", "Entries in the ledger", registry=self.registry)
        self.ledger_waiting = Gauge(
            "erti_ledger_waiting", "Events not yet integrated", registry=self.registry
        )
        self.ledger_aside = Gauge(
            "erti_ledger_set_aside",
            "Events that could not be taken in, and are kept beside the ledger",
            registry=self.registry,
        )
        self.signals_waiting = Gauge(
            "erti_signals_waiting", "Notices that agencies have not acknowledged yet", registry=self.registry
        )
        self.signals_oldest = Gauge(
            "erti_signals_oldest_seconds", "Age of the oldest of them", registry=self.registry
        )
        self.signals_failed = Gauge(
            "erti_signals_failed",
            "Notices that an agency called unusable, or that were given up",
            ["state"],
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.answers.labels(method if method in METHODS else "other", route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return the figures in the Prometheus text format."""
        return generate_latest(self.registry)
