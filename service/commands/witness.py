"""`erti witness`: a witness for a second institution, apart from the service and its database."""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from consent.ledger import quorum
from consent.ledger.quorum import BadPolicy
from consent.ledger.witness import api, core
from consent.ledger.witness import key as keys
from consent.ledger.witness.key import BadKey
from consent.ledger.witness.memory import Memory
from service import logs
from service.commands.run import free_or_fail
from service.commands.store import USAGE, fail, out, unwritable

app = typer.Typer(
    no_args_is_help=True,
    help="Run a witness: for an institution that does not run Erti, such as an audit office or a university. "
    "A witness signs that a ledger only ever grew. It sees sizes and hashes, and no entry, name or value.",
)
Data = Annotated[Path, typer.Option("--data", help="The witness's own folder: its key and what it has seen.")]
MOST_REQUESTS = 64


@app.command("key")
def key(
    data: Data,
    name: Annotated[
        str,
        typer.Option(help="Your name as a witness: an address of yours without https://, e.g. audit.gov/w1"),
    ],
) -> None:
    """Make this witness's key on the first call, and print what the ledger's operator needs.

    Send one of the printed lines to the operator, over a channel on which they know you: it goes into the
    file that ERTI_WITNESS_POLICY names, with the address at which your witness answers. The line with type 6
    (ML-DSA-44) also holds against quantum computers; take the other one for a ledger that does not know it.

    The key stands in `witness-key.json` and the newest tree of each log in `witness.db`. Back up the key.
    Never put an old copy of `witness.db` back: a witness that forgets could sign two histories. If it is
    lost, start anew with another name and key, and tell the operator.
    """
    try:
        made = keys.make(data, name)
    except BadKey as error:
        raise fail(str(error), USAGE) from error
    except OSError as error:
        raise unwritable(error) from error
    for signer in made.signers:
        vkey = signer.key
        out.out(f"# type {vkey.kind}\nwitness {name.partition('/')[0]} {vkey.text()} https://{name}")


@app.command("serve")
def serve(
    data: Data,
    policy: Annotated[
        Path, typer.Option(help="The ledger's trust policy (its /ledger/policy), for its log lines.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8010,
    each_second: Annotated[
        float, typer.Option(help="Checkpoints a second from one log, on average.", min=0.01)
    ] = 10.0,
) -> None:
    """Answer `POST /add-checkpoint` (C2SP tlog-witness): cosign each ledger's growth, and nothing else.

    Of the policy file only the `log` lines count: whose checkpoints are cosigned. Compare the file's
    fingerprint with one that reached you another way (a gazette, a letter). When a new year's log begins,
    fetch the policy again, compare, and start the witness anew.

    Put TLS in front (the operator calls https addresses only). A disk that does not keep what was synced makes
    a witness worthless; after a failed write it signs nothing until it is started again.
    """
    logs.start("text")
    try:
        found, signs = quorum.read(policy.read_bytes()), keys.load(data)
    except (BadPolicy, BadKey) as error:
        raise fail(str(error), USAGE) from error
    except OSError as error:
        raise fail(f"{error.filename} cannot be read: {error.strerror}", USAGE) from error
    if not found.logs:
        raise fail(f"{policy} has no log line: there is nothing to witness", USAGE)
    free_or_fail(host, port)
    try:
        memory = Memory(data)
    except OSError as error:
        raise unwritable(error) from error
    witness = core.Witness(
        key=signs,
        policy=found,
        memory=memory,
        rate=core.Rate(each_second, max(4 * each_second, 1)),
    )
    out.print(
        f"{signs.name} witnesses {', '.join(sorted({log.name for log in found.logs}))} on {host}:{port}"
    )
    uvicorn.run(
        api.application(witness),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_REQUESTS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    memory.close()
