"""Two who want the same rows at one moment: one holds them here, until the other stands in line for them."""

import threading
import time

from core.database import Database


def waited_for(database: Database, process: threading.Thread) -> None:
    """Wait until a request stands in line behind the write transaction that is open here."""
    line = database._write_lock._waiting if database._write_lock else None
    while process.is_alive():
        if line:
            return
        if line is None:
            with database.reading() as db:
                if (
                    db.connection()
                    .exec_driver_sql(
                        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                    )
                    .first()
                ):
                    return
        time.sleep(0.01)
