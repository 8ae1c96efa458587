"""What happens to the streams by which agencies are told."""

from dataclasses import dataclass
from typing import ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class StreamPut(Event):
    """An agency's event stream was made, changed, paused, switched off or deleted; never its authorization header."""

    kind: ClassVar[str] = "stream-put"
    agency: str
    client: str
    stream: str
    stream_state: str
    method: str
    endpoint: str | None
    events: tuple[str, ...]
