"""The witness over HTTP: `POST /add-checkpoint` (C2SP tlog-witness), and its keys for whoever asks."""

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from consent.ledger.witness import core
from consent.ledger.witness.core import (
    BadRequest,
    Cosigned,
    NotConsistent,
    NotSigned,
    OtherSize,
    Outcome,
    TooOften,
    UnknownLog,
    Witness,
)
from consent.ledger.witness.memory import Forgetful

SIZE_TYPE = "text/x.tlog.size"
log = structlog.get_logger("erti.witness")


def application(witness: Witness) -> Starlette:
    """Build the application of one witness."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            asked = core.parse(await _body(request))
        except BadRequest as error:
            return PlainTextResponse(f"{error}\n", 400)
        origin, size = asked.checkpoint.origin[:200], asked.checkpoint.size
        try:
            outcome = await run_in_threadpool(witness.add, asked)
        except Forgetful:
            log.warning("not durable; nothing is cosigned", origin=origin, size=size)
            return PlainTextResponse("what was seen could not be made durable\n", 503)
        if not isinstance(outcome, UnknownLog | NotSigned):  # strangers do not fill the witness's log
            log.info("checkpoint", origin=origin, old=asked.old, size=size, outcome=type(outcome).__name__)
        return _answer(outcome)

    async def about(request: Request) -> Response:
        keys = "".join(f"{signer.key.text()}\n" for signer in witness.key.signers)
        logs = "".join(f"log {key.text()}\n" for key in witness.policy.logs)
        return PlainTextResponse(f"# Erti witness\n{keys}{logs}")

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/", about, methods=["GET"]),
        ]
    )


def _answer(outcome: Outcome) -> Response:
    match outcome:
        case Cosigned(lines):
            return PlainTextResponse(lines)
        case UnknownLog():
            return PlainTextResponse("this witness does not follow that log\n", 404)
        case NotSigned():
            return PlainTextResponse("no key of that log signed this\n", 403)
        case OtherSize(size):
            return Response(f"{size}\n", 409, headers={"Content-Type": SIZE_TYPE})
        case NotConsistent():
            return PlainTextResponse("the proof does not lead from the tree known here\n", 422)
        case TooOften(seconds):
            return PlainTextResponse("too often\n", 429, headers={"Retry-After": str(seconds)})


async def _body(request: Request) -> bytes:
    received = bytearray()
    try:
        async for chunk in request.stream():
            received += chunk
            if len(received) > core.MOST_BYTES:
                raise BadRequest("the request is too long")
    except ClientDisconnect as error:
        raise BadRequest("the request was not finished") from error
    return bytes(received)
