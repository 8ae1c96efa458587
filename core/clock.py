"""The one place that asks the machine what time it is."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current moment as an aware datetime in UTC."""
    return datetime.now(UTC)  # noqa: TID251  (the one place)


def seconds(moment: datetime) -> int:
    """Return a moment as NumericDate: whole seconds since 1970 (RFC 7519, section 2)."""
    return int(moment.timestamp())


def wire(moment: datetime) -> str:
    """Return a moment as RFC 3339 text in UTC with milliseconds, e.g. ``2026-11-23T18:40:00.123Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
