"""Where one request ends and the next begins, on the wire."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from service import tls
from tests import apart


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer every request."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"heard"})


async def sent(raw: bytes) -> bytes:
    """Send bytes to the service's own protocol over a socket; return all that comes back until it hangs up."""
    config = uvicorn.Config(hello, log_config=None, lifespan="off", access_log=False)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: tls.Protocol(config, ServerState(), {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(), timeout=10)
    writer.close()
    server.close()
    return answer


HEAD = b"POST / HTTP/1.1\r\nHost: id.erti.example\r\nConnection: close\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: id.erti.example\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde" + SMUGGLED,
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"X: a\rContent-Length: 0\r\n\r\n" + SMUGGLED,
    ],
)
def test_a_request_of_two_lengths_is_refused(raw: bytes) -> None:
    """A request whose end could be read in two ways gets 400 and nothing behind it an answer (RFC 9112, 6.3)."""
    answer = apart.run(lambda: sent(raw))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"heard" not in answer


def test_a_request_of_one_length_is_heard() -> None:
    """The same request with one length is answered."""
    assert apart.run(lambda: sent(HEAD + b"Content-Length: 4\r\n\r\nabcd")).endswith(b"heard")
