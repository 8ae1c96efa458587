"""Something that another does while a transaction of the test is open."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TypeVar

T = TypeVar("T")
LONG_ENOUGH = 0.4  # to come to a row that is held


def begun(what: Callable[[], T]) -> Future[T]:
    """Begin something in another thread, and return when it is done or waits for what the caller holds."""
    pool = ThreadPoolExecutor(1)
    doing = pool.submit(what)
    pool.shutdown(wait=False)
    wait_for([doing], LONG_ENOUGH)
    return doing
