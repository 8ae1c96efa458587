"""What is measured over HTTP: each operation as an agency's system or a citizen's browser does it."""

import base64
import hashlib
import json
import re
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from bench.town import CLIENT, PASSWORD, REDIRECT, Town
from bench.wire import Answer, Connection, Operation
from tests.idp.oidc.proofs import Prover

CSRF = re.compile(r'<input[^>]*name="(csrf[^"]*)"[^>]*value="([^"]+)"')
MOST_STEPS = 6


def basic(town: Town) -> dict[str, str]:
    """Return the header with which the client names itself (RFC 6749, 2.3.1)."""
    pair = base64.b64encode(f"{CLIENT}:{town.secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def client_credentials(town: Town) -> Operation:
    """A token for the client itself (RFC 6749, 4.4)."""
    head = basic(town)

    async def once(connection: Connection, _number: int) -> bool | str:
        answer = await connection.post("/token", {"grant_type": "client_credentials"}, head)
        return answer.status == 200 or said(answer)

    return once


def code_flow(town: Town) -> Operation:
    """A whole sign-in of a citizen with an open session and a standing grant: code, then tokens."""
    head = basic(town)

    async def once(connection: Connection, number: int) -> bool | str:
        answer = await sign_in(connection, head, town.sessions[number % len(town.sessions)])
        return answer.status == 200 or said(answer)

    return once


async def sign_in(connection: Connection, head: dict[str, str], session: str) -> Answer:
    """Go from the authorization request to the tokens (OpenID Connect Core, 3.1)."""
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    request = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": REDIRECT,
        "scope": "openid profile attributes",
        "state": "s",
        "nonce": secrets.token_urlsafe(8),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    cookies = {"Cookie": f"erti_session={session}"}
    answer = await connection.get(f"/authorize?{urlencode(request)}", cookies)
    for _step in range(MOST_STEPS):
        place = answer.headers.get("location", "")
        if answer.status not in (302, 303) or place.startswith(REDIRECT):
            break
        parts = urlsplit(place)
        answer = await connection.get(parts.path + (f"?{parts.query}" if parts.query else ""), cookies)
    code = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code", [""])[0]
    if not code:
        return answer
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": verifier,
    }
    return await connection.post("/token", form, head)


def user_info(access_tokens: list[str]) -> Operation:
    """Attributes of a citizen through the door, each read durable in the ledger before its answer."""

    async def once(connection: Connection, number: int) -> bool | str:
        token = access_tokens[number % len(access_tokens)]
        answer = await connection.get("/userinfo", {"Authorization": f"Bearer {token}"})
        return (answer.status == 200 and b"given_name" in answer.body) or said(answer)

    return once


def bound_user_info(issuer: str, holder: Prover, access_tokens: list[str]) -> Operation:
    """The same with tokens that are bound to a key: each request has a proof of its own (RFC 9449, section 7)."""
    address = f"{issuer}/userinfo"

    async def once(connection: Connection, number: int) -> bool | str:
        token = access_tokens[number % len(access_tokens)]

        async def ask() -> Answer:
            proof = holder.proof("GET", address, token=token)
            answer = await connection.get("/userinfo", {"Authorization": f"DPoP {token}", "DPoP": proof})
            holder.nonce = answer.headers.get("dpop-nonce", holder.nonce)
            return answer

        answer = await ask()
        if answer.status == 401:  # the minute of the nonce is over
            answer = await ask()
        return (answer.status == 200 and b"given_name" in answer.body) or said(answer)

    return once


def introspection(town: Town, access_tokens: list[str]) -> Operation:
    """A resource server asks whether a token is good (RFC 7662)."""
    head = basic(town)

    async def once(connection: Connection, number: int) -> bool | str:
        token = access_tokens[number % len(access_tokens)]
        answer = await connection.post("/introspect", {"token": token}, head)
        return (answer.status == 200 and b'"active":true' in answer.body.replace(b" ", b"")) or said(answer)

    return once


def password_login(town: Town) -> Operation:
    """The sign-in page, then name and password of a test account, by a browser nobody knows."""

    async def once(connection: Connection, number: int) -> bool | str:
        page = await connection.get("/login", {"Accept": "text/html"})
        token = CSRF.search(page.body.decode())
        if page.status != 200 or token is None:
            return said(page)
        form = {
            token[1]: token[2],
            "username": town.accounts[number % len(town.accounts)],
            "password": PASSWORD,
        }
        cookies = {"Cookie": "; ".join(page.cookies), "Accept": "text/html"}
        answer = await connection.post("/login", form, cookies)
        signed_in = any(cookie.startswith("erti_session=") for cookie in answer.cookies)
        return (answer.status == 303 and signed_in) or said(answer)

    return once


async def tokens(port: int, town: Town, count: int, holder: Prover | None = None) -> list[str]:
    """Sign citizens in and return their access tokens, bound to the holder's key if there is one."""
    connection, head, found = Connection(port), basic(town), []
    for session in town.sessions[:count]:
        if holder:
            head = {**basic(town), "DPoP": await fresh_proof(connection, holder, port)}
        answer = await sign_in(connection, head, session)
        if answer.status != 200:
            raise SystemExit(f"the sign-in that all the rest needs does not work: {said(answer)}")
        found.append(str(json.loads(answer.body)["access_token"]))
    connection.close()
    return found


async def fresh_proof(connection: Connection, holder: Prover, port: int) -> str:
    """Return a proof for a token request, with the nonce that the service gives to a request without one."""
    address = f"http://localhost:{port}/token"
    bare = Prover(holder.key).proof("POST", address)
    answer = await connection.post("/token", {"grant_type": "client_credentials"}, {"DPoP": bare})
    holder.nonce = answer.headers.get("dpop-nonce", "")
    return holder.proof("POST", address)


def said(answer: Answer) -> str:
    """Return what an answer said, shortened, for the first failure that is shown."""
    return (
        f"{answer.status} {answer.headers.get('location', '')} {answer.body[:300].decode(errors='replace')}"
    )
