"""Streams as their receivers manage them (Shared Signals Framework 1.0, section 8)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.errors import FileRefused
from core.events import SYSTEM
from idp.oidc import clients
from idp.signals import bodies, streams
from idp.signals.bodies import AboutSubject, Poll, Status, Verify, Wish
from idp.signals.errors import StreamRefused
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, SECRET, Provider
from tests.idp.signals.receiver import Api, Receiver, deliver, said

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
ENDED = f"{ISSUER}/events/consent-ended"


def test_discovery_says_where_everything_is(provider: Provider) -> None:
    """The transmitter's metadata stands at its well-known address, for anyone (SSF 1.0, 7.1)."""
    found = provider.web.get("/.well-known/ssf-configuration").json()
    assert found["spec_version"] == "1_0"
    assert found["issuer"] == ISSUER
    assert set(found["delivery_methods_supported"]) == {PUSH, POLL}
    endpoints = [value for name, value in found.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) == 6
    for address in endpoints:
        assert provider.web.get(address.removeprefix(ISSUER)).status_code in (200, 401, 405)


def test_a_stream_is_made_read_changed_and_deleted(api: Api, receiver: Receiver) -> None:
    """A client makes its stream, reads it, changes a part, replaces the whole and deletes it."""
    made = api.pushed_to(receiver, events_requested=[ENDED, "urn:unknown"], description="Tax office")
    assert made["aud"] == to.PORTAL
    assert made["events_delivered"] == [ENDED]
    assert made["delivery"] == {"method": PUSH, "endpoint_url": receiver.url}, "its header is not shown again"
    assert api.call("GET", "/ssf/stream", stream_id=made["stream_id"]).json() == made
    assert api.call("GET", "/ssf/stream").json() == [made]
    changed = api.call("PATCH", "/ssf/stream", {"stream_id": made["stream_id"], "description": "New"}).json()
    assert changed == {**made, "description": "New"}
    replaced = api.call("PUT", "/ssf/stream", {**made, "events_requested": [], "iss": ISSUER}).json()
    assert replaced["events_delivered"] == replaced["events_supported"]
    gone = api.call("DELETE", "/ssf/stream", stream_id=made["stream_id"])
    assert (gone.status_code, gone.content) == (204, b"")
    assert api.call("GET", "/ssf/stream").json() == []
    assert api.call("GET", "/ssf/stream", stream_id=made["stream_id"]).status_code == 404


def test_a_header_stays_while_the_endpoint_stays(provider: Provider, api: Api, receiver: Receiver) -> None:
    """Who sends back what it read keeps its authorization header; another endpoint never gets the old one."""
    made = api.pushed_to(receiver)
    other = Receiver().start()
    for url, held in ((receiver.url, True), (other.url, False)):
        answer = api.call("PUT", "/ssf/stream", {**made, "delivery": {"method": PUSH, "endpoint_url": url}})
        assert answer.status_code == 200
        with provider.database.reading() as db:
            found = streams.find(db, to.PORTAL)
            assert found is not None
            assert (streams.authorization(db, found) is not None) == held
    other.stop()


def test_there_is_one_stream_for_each_client(api: Api) -> None:
    """A second stream is a conflict, and without a delivery method the first is polled (SSF 1.0, 8.1.1.1)."""
    made = api.made({})
    assert made["delivery"] == {"method": POLL, "endpoint_url": f"{ISSUER}/ssf/poll/{made['stream_id']}"}
    assert api.call("POST", "/ssf/stream", {}).status_code == 409


def test_nobody_reaches_another_clients_stream(provider: Provider, api: Api) -> None:
    """A stream of another client is as unknown as one that does not exist, at every endpoint."""
    made, other = api.made({}), Api(provider, to.COMPANY)
    own = {"stream_id": made["stream_id"]}
    subject = {"format": "iss_sub", "iss": ISSUER, "sub": CITIZEN}
    for method, path, body in [
        ("GET", f"/ssf/stream?stream_id={made['stream_id']}", None),
        ("GET", f"/ssf/status?stream_id={made['stream_id']}", None),
        ("DELETE", f"/ssf/stream?stream_id={made['stream_id']}", None),
        ("PATCH", "/ssf/stream", own),
        ("PUT", "/ssf/stream", own),
        ("POST", "/ssf/status", {**own, "status": "disabled"}),
        ("POST", "/ssf/verify", own),
        ("POST", "/ssf/subjects/add", {**own, "subject": subject}),
        ("POST", "/ssf/subjects/remove", {**own, "subject": subject}),
        ("POST", f"/ssf/poll/{made['stream_id']}", {}),
    ]:
        assert other.call(method, path, body).status_code == 404, path
    assert api.call("GET", "/ssf/stream").json() == [made]


def test_each_endpoint_wants_a_token_of_the_clients_own(provider: Provider, api: Api) -> None:
    """Without a token it is 401; with one for reading alone, for another scope, or a citizen's it is 403."""
    made = api.made({})
    ways = [("POST", "/ssf/stream"), ("GET", "/ssf/stream"), ("PATCH", "/ssf/stream"), ("PUT", "/ssf/stream"),
            ("DELETE", "/ssf/stream"), ("GET", "/ssf/status"), ("POST", "/ssf/status"), ("POST", "/ssf/verify"),
            ("POST", "/ssf/subjects/add"), ("POST", "/ssf/subjects/remove"),
            ("POST", f"/ssf/poll/{made['stream_id']}")]  # fmt: skip
    provider.sign_in()
    provider.allow("given_name")
    citizens = provider.tokens(scope="openid")["access_token"]
    reads, others = Api(provider, scope="ssf.read").token(), provider.own_token()
    for method, path in ways:
        bare = provider.web.request(method, path)
        assert bare.status_code == 401
        assert bare.headers["www-authenticate"].startswith("Bearer resource_metadata=")
        for token in (citizens, others):
            shut = provider.web.request(method, path, headers={"Authorization": f"Bearer {token}"})
            assert shut.status_code == 403, path
        may_read = method == "GET" or "poll" in path
        answer = provider.web.request(method, path, headers={"Authorization": f"Bearer {reads}"})
        assert (answer.status_code == 403) != may_read, path


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"\xff", b"[" * 3000, {"delivery": {"method": "urn:other"}},
        {"delivery": {"method": PUSH}}, {"delivery": {"method": PUSH, "endpoint_url": "https://x.example/#f"}},
        {"delivery": {"method": POLL, "endpoint_url": "https://x.example/"}},
        {"delivery": {"method": PUSH, "endpoint_url": "https://x.example/", "authorization_header": "a\r\nb: c"}},
        {"delivery": {"method": PUSH, "endpoint_url": "https://x.example/", "authorization_header": "ü"}},
        {"stream_id": "mine"}, {"iss": "https://other.example"}, {"aud": "other"}, {"events_supported": []},
        {"min_verification_interval": 1}, {"events_requested": "all"}, {"events_requested": ["x"] * 200},
        {"description": "a\x00b"},
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_is_refused(api: Api, body: Any) -> None:
    """A body of another shape, an odd address or header, or a member that is ours to set: 400, and no stream."""
    refused = api.call("POST", "/ssf/stream", body)
    assert refused.status_code == 400, refused.text
    assert refused.json()["type"] == "urn:erti:problem:stream-refused"
    assert api.call("GET", "/ssf/stream").json() == []


@pytest.mark.parametrize(
    "url", ["http://agency.example/", "https://10.0.0.1/", "https://localhost@x.example/", "https://[::1]/"]
)
def test_events_go_to_public_https_addresses_only(api: Api, url: str) -> None:
    """A stream cannot be pointed at our own network, or at an address in clear."""
    refused = api.call("POST", "/ssf/stream", {"delivery": {"method": PUSH, "endpoint_url": url}})
    assert refused.status_code == 400
    assert refused.json()["mistake"] == "delivery.endpoint_url is not a public https address"


def test_a_stream_cannot_be_changed_all_the_time(api: Api) -> None:
    """Each change goes into the ledger, so a client that makes many in a minute is told to wait."""
    own = {"stream_id": api.made({})["stream_id"]}
    answers = [
        api.call("POST", "/ssf/status", {**own, "status": "paused" if turn % 2 else "enabled"}).status_code
        for turn in range(streams.MOST_CHANGES + 1)
    ]
    assert set(answers) == {200, 429}
    assert answers.count(429) >= 1


def test_a_verification_comes_down_the_stream(provider: Provider, api: Api, receiver: Receiver) -> None:
    """A verification event carries the state that was given; a second within the interval is refused (SSF 1.0, 8.1.4)."""
    made = api.pushed_to(receiver)
    asked = api.call("POST", "/ssf/verify", {"stream_id": made["stream_id"], "state": "abc"})
    assert asked.status_code == 204
    deliver(provider.database)
    (claims,) = receiver.events(provider)
    assert claims["sub_id"] == {"format": "opaque", "id": made["stream_id"]}
    assert said(claims) == ("verification", {"state": "abc"})
    again = api.call("POST", "/ssf/verify", {"stream_id": made["stream_id"]})
    assert (again.status_code, again.headers["retry-after"]) == (429, "30")


def test_a_paused_stream_gets_its_events_later(provider: Provider, api: Api, receiver: Receiver) -> None:
    """What happens while a stream is paused is kept, and sent once it is enabled (SSF 1.0, 8.1.2)."""
    own = {"stream_id": api.pushed_to(receiver)["stream_id"]}
    paused = api.call("POST", "/ssf/status", {**own, "status": "paused", "reason": "maintenance"})
    assert paused.json() == {**own, "status": "paused", "reason": "maintenance"}
    provider.withdraw(provider.allow("given_name"))
    assert deliver(provider.database) == 0
    api.call("POST", "/ssf/status", {**own, "status": "enabled"})
    assert api.call("GET", "/ssf/status", **own).json() == {**own, "status": "enabled"}
    assert deliver(provider.database) == 1


def test_a_disabled_stream_gets_nothing(provider: Provider, api: Api, receiver: Receiver) -> None:
    """A disabled stream loses what waited for it, and nothing that happens then is kept for later."""
    own = {"stream_id": api.pushed_to(receiver)["stream_id"]}
    provider.withdraw(provider.allow("given_name"))
    api.call("POST", "/ssf/status", {**own, "status": "disabled"})
    provider.withdraw(provider.allow("given_name"))
    assert api.call("POST", "/ssf/verify", own).status_code == 400
    api.call("POST", "/ssf/status", {**own, "status": "enabled"})
    assert deliver(provider.database) == 0
    assert api.call("POST", "/ssf/status", {**own, "status": "sleeping"}).status_code == 400


def test_a_subject_can_be_left_out(provider: Provider, api: Api, receiver: Receiver) -> None:
    """After `remove` nothing about that citizen is told, after `add` it is again; nobody learns who exists by asking."""
    own = {"stream_id": api.pushed_to(receiver)["stream_id"]}
    subject = {"format": "iss_sub", "iss": ISSUER, "sub": CITIZEN}
    grant = provider.allow("given_name", "employer")
    for stranger in (to.OTHER, "nobody", CITIZEN):
        answer = api.call("POST", "/ssf/subjects/remove", {**own, "subject": {**subject, "sub": stranger}})
        assert (answer.status_code, answer.content) == (204, b"")
    provider.withdraw(grant, "employer")
    assert deliver(provider.database) == 0
    assert (
        api.call("POST", "/ssf/subjects/add", {**own, "subject": subject, "verified": True}).status_code
        == 200
    )
    provider.withdraw(grant)
    assert deliver(provider.database) == 1
    for odd in ({"format": "email", "email": "a@b.example"}, {**subject, "iss": "https://other"}, "me"):
        assert api.call("POST", "/ssf/subjects/add", {**own, "subject": odd}).status_code == 400


def test_a_file_of_clients_may_hold_their_streams(provider: Provider, receiver: Receiver) -> None:
    """`signals` in a client's metadata makes its stream; loaded again it changes nothing, and mistakes refuse the file."""
    member = {"delivery": {"method": PUSH, "endpoint_url": receiver.url, "authorization_header": "Bearer x"}}
    document = {"clients": [{**to.CLIENTS[0], "signals": member}]}
    for _turn in range(2):
        with provider.database.writing() as db:
            clients.load(db, document, actor=SYSTEM)
            assert streams.load(db, document, actor=SYSTEM) == 1
    kinds = [facts["kind"] for facts in provider.history("agency:revenue")]
    assert kinds.count("stream-put") == 1
    for odd in ("x", {"delivery": {"method": "x"}}, {"events_requested": 3}):
        with pytest.raises((StreamRefused, FileRefused)), provider.database.writing() as db:
            streams.load(db, {"clients": [{**to.CLIENTS[0], "signals": odd}]}, actor=SYSTEM)


def test_a_secret_header_is_in_no_event(provider: Provider, api: Api, receiver: Receiver) -> None:
    """The agency's chain says that a stream was made, where to, and by whom; not with which header."""
    api.pushed_to(receiver)
    facts = provider.history("agency:revenue")[-1]
    assert facts["kind"] == "stream-put"
    assert facts["actor"] == {"kind": "client", "id": to.PORTAL}
    assert "wants to hear" not in json.dumps(facts)
    assert SECRET not in json.dumps(facts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["stream_id", "delivery", "method", "subject", "format", "ack", "setErrs", "err", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(content: bytes) -> None:
    """Whatever bytes come, a body is either read or refused in the one foreseen way."""
    kinds: tuple[Any, ...] = (Wish, Status, AboutSubject, Verify, Poll)
    for kind in kinds:
        try:
            found: object = bodies.read(content, kind)
        except StreamRefused as refused:
            found = refused.facts["mistake"]
        assert found


@given(JSON)
def test_any_member_of_a_file_is_read_or_refused(given_value: Any) -> None:
    """Whatever a file holds as `signals`, it is either a configuration or refused in the one foreseen way."""
    try:
        found: object = bodies.declared(given_value)
    except StreamRefused as refused:
        found = refused.facts["mistake"]
    assert found
