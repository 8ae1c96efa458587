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
        self.letters_waiting = Gauge(
            "erti_letters_waiting",
            "Letters and messages that could not be handed over and are tried again",
            registry=self.registry,
        )
        self.letters_oldest = Gauge(
            "erti_letters_oldest_seconds",
            "How long the oldest of them has been tried",
            registry=self.registry,
        )
        self.letters_given_up = Gauge(
            "erti_letters_given_up",
            "Letters and messages that were given up in the last 30 days",
            registry=self.registry,
        )
        self.guesses = Gauge(
            "erti_wrong_guesses",
            "Wrong guesses in the whole country, within the five minutes that are counted now",
            ["method"],
            registry=self.registry,
        )
        self.guessing = Gauge(
            "erti_guessing_alarm",
            "1 while wrong guesses come from everywhere, so that each network may fail a tenth as often",
            ["method"],
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.answers.labels(method if method in METHODS else "other", route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return the figures in the Prometheus text format."""
        return generate_latest(self.registry)
