"""Proof of a passkey's model: what the policy wants, what proves it, and files that operators hand over."""

import base64
import contextlib
import datetime as dt
import json
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey
from sqlalchemy import select

from core import clock
from core.sessions import browser_session
from idp.login import attestation, passkey
from idp.login.attestation import UnreadableRoots
from idp.tables import passkey as table
from service.app import create_app
from tests.authenticator import Authenticator, Maker
from tests.idp.login.person import ISSUER, Person

MODEL = uuid.UUID("2fc0579f-8113-47ea-b116-bb5a8db9202a")
HIGH, SUBSTANTIAL = "urn:erti:loa:high", "urn:erti:loa:substantial"


def issue(name, issuer=None, *, ca=False, model=None, days=30):
    """Return a certificate and its key, issued by a pair or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    at = clock.now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - dt.timedelta(days=60))
        .not_valid_after(at + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if model:
        value = x509.UnrecognizedExtension(attestation.AAGUID_EXTENSION, b"\x04\x10" + model.bytes)
        builder = builder.add_extension(value, critical=False)
    return builder.sign(issuer[1] if issuer else key, SHA256()), key


def der(certificate):
    """Return a certificate's bytes."""
    return certificate.public_bytes(Encoding.DER)


def pem(certificate):
    """Return a certificate as text."""
    return certificate.public_bytes(Encoding.PEM)


ROOT = issue("Maker's root", ca=True)
MIDDLE = issue("Maker's batch", ROOT, ca=True)
LEAF = issue("Key", MIDDLE, model=MODEL)
TRUSTED = pem(ROOT[0])
HONEST = Maker(MODEL.bytes, LEAF[1], [der(LEAF[0]), der(MIDDLE[0])])


def entry(*, status="FIDO_CERTIFIED", root=ROOT[0], model=MODEL):
    """Return a model's entry as the FIDO Metadata Service writes it."""
    return {
        "aaguid": str(model),
        "statusReports": [{"status": status}],
        "metadataStatement": {"attestationRootCertificates": [base64.b64encode(der(root)).decode()]},
    }


def metadata(*entries):
    """Return the payload of a metadata file."""
    return json.dumps({"no": 1, "nextUpdate": "2026-12-31", "entries": list(entries)}).encode()


@pytest.fixture
def country(settings, database, tmp_path):
    """Give a way to get a person with an authenticator where a policy holds."""
    people = []

    def under(policy, maker, roots=TRUSTED, **device):
        file = tmp_path / "roots"
        file.write_bytes(roots)
        changed = settings.model_copy(update={"passkey_attestation": policy, "passkey_roots": file})
        database.parts.settings = changed
        somebody = Person(create_app(changed, database), "198.51.100.7")
        somebody.device = Authenticator(ISSUER, maker=maker, **device)
        people.append(somebody)
        return somebody

    yield under
    for one in people:
        one.close()


def try_passkey(somebody, letter):
    """Activate with the device's passkey; return the answer and the level that the session reached."""
    somebody.begin_activation(*letter())
    somebody.open("/activate/method")
    return somebody.send("/activate/passkey", name="", credential=somebody.device.create(somebody.options()))


def level(database):
    """Return the assurance of the newest session, None without one."""
    with database.reading() as db:
        return db.scalar(select(browser_session.c.acr).order_by(browser_session.c.created_at.desc()))


def test_a_proven_model_reaches_high(country, letter, database) -> None:
    """With the policy a bound passkey whose maker's chain ends at a trusted root reaches high, now and later."""
    nino = country("high", HONEST)
    nino.begin_activation(*letter())
    nino.open("/activate/method")
    assert json.loads(nino.options())["attestation"] == "direct"
    answer = nino.send("/activate/passkey", name="", credential=nino.device.create(nino.options()))
    assert answer.status_code == 303
    assert level(database) == HIGH
    assert nino.use_passkey().status_code == 200
    assert level(database) == HIGH
    with database.reading() as db:
        row = db.execute(select(table)).one()
        assert passkey.of(db, row.citizen_id)[0].name == "YubiKey 5 NFC"
    assert (row.aaguid, row.attested) == (str(MODEL), True)


def liars():
    """Return makers that prove nothing, by what is wrong with each."""
    other_root = issue("Maker's root", ca=True)
    other = issue("Key", other_root, model=MODEL)
    plain = issue("No authority", ROOT)
    below = issue("Key", plain, model=MODEL)
    late = issue("Key", ROOT, model=MODEL, days=-1)
    else_ = issue("Key", ROOT, model=uuid.uuid4())
    return {
        "no statement": None,
        "another root": Maker(MODEL.bytes, other[1], [der(other[0])]),
        "an issuer that may not issue": Maker(MODEL.bytes, below[1], [der(below[0]), der(plain[0])]),
        "over": Maker(MODEL.bytes, late[1], [der(late[0])]),
        "another model in the certificate": Maker(MODEL.bytes, else_[1], [der(else_[0])]),
        "a link left out": Maker(MODEL.bytes, LEAF[1], [der(LEAF[0])]),
    }


def test_an_unproven_model_counts_as_synced(country, letter, database) -> None:
    """Where high wants proof, a passkey that proves nothing, or proves it falsely, reaches substantial and no more."""
    for what, maker in liars().items():
        nino = country("high", maker)
        assert try_passkey(nino, letter).status_code == 303, what
        assert level(database) == SUBSTANTIAL, what


def test_an_unproven_model_is_refused_in_words_where_all_must_be_proven(country, letter, database) -> None:
    """With the strictest policy it makes no passkey, and the page says what to use in its place."""
    nino = country("all", None)
    refused = try_passkey(nino, letter)
    assert refused.status_code == 400
    assert "cannot show which device holds it" in refused.text
    assert level(database) is None
    assert try_passkey(country("all", HONEST), letter).status_code == 303


def test_a_forged_statement_is_refused_whatever_the_policy(country, letter, database) -> None:
    """A statement whose signature is not its certificate's makes no passkey."""
    forged = Maker(MODEL.bytes, ec.generate_private_key(ec.SECP256R1()), HONEST.chain)
    assert try_passkey(country("high", forged), letter).status_code == 400
    assert level(database) is None


def test_the_metadata_says_which_models_are_trusted(country, letter, database) -> None:
    """By the metadata file a listed model is proven; one that is revoked, or another one's root, is not."""
    for content, reached in (
        (metadata(entry()), HIGH),
        (metadata(entry(), entry(model=uuid.uuid4(), status="REVOKED")), HIGH),
        (metadata(entry(status="REVOKED"), entry(model=uuid.uuid4())), SUBSTANTIAL),
        (metadata(entry(status="USER_VERIFICATION_BYPASS"), entry(model=uuid.uuid4())), SUBSTANTIAL),
        (metadata(entry(model=uuid.uuid4())), SUBSTANTIAL),
    ):
        nino = country("high", HONEST, content)
        attestation.trusted.cache_clear()
        assert try_passkey(nino, letter).status_code == 303
        assert level(database) == reached


def blob(signer=None, chain=None, payload=None):
    """Return a metadata file as the FIDO Alliance signs it."""
    authority = issue("FIDO's root", ca=True)
    leaf = issue("mds.fidoalliance.org", authority)
    key = ECKey.import_key(signer or leaf[1])
    header = {"alg": "ES256", "x5c": [base64.b64encode(der(chain or leaf[0])).decode()]}
    text = jws.serialize_compact(header, payload or metadata(entry()), key)
    return text.encode(), pem(authority[0])


def test_a_signed_metadata_file_needs_its_authority() -> None:
    """A downloaded file counts under the authority that is named; unsigned, tampered or under another it does not."""
    good, authority = blob()
    assert str(MODEL) in attestation.read(good, authority=authority).models
    head, body, signature = good.split(b".")
    other = base64.urlsafe_b64encode(metadata(entry(), entry(model=uuid.uuid4()))).rstrip(b"=")
    for content, root in (
        (good, b""),
        (good, blob()[1]),
        (b".".join([head, other, signature]), authority),
        (b".".join([head, body, b""]), authority),
        (blob(signer=ec.generate_private_key(ec.SECP256R1()))[0], authority),
    ):
        with pytest.raises(UnreadableRoots):
            attestation.read(content, authority=root)


def test_models_can_be_narrowed() -> None:
    """Where models are named, a trusted root proves no other one."""
    trust = attestation.read(pem(ROOT[0]))
    named = attestation.Trusted(trust.roots, allowed=frozenset({str(uuid.uuid4())}))
    assert trust.of(str(MODEL)) == (ROOT[0],)
    assert named.of(str(MODEL)) == ()


def test_a_policy_without_roots_is_said(settings) -> None:
    """A policy that no passkey could meet is an error in words, not a silence."""
    with pytest.raises(UnreadableRoots, match="ERTI_PASSKEY_ROOTS"):
        attestation.trusted(settings.model_copy(update={"passkey_attestation": "high"}))


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.one_of(st.none(), st.integers(), st.text(max_size=9), st.just("REVOKED")),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(["entries", "aaguid", "statusReports", "status", "metadataStatement",
                                     "attestationRootCertificates"]), inner),
            ),
            max_leaves=12,
        ).map(lambda found: json.dumps(found).encode()),
        st.binary(max_size=80).map(lambda inner: attestation.PEM_MARK + inner),
        st.lists(st.binary(max_size=40).map(base64.urlsafe_b64encode), min_size=1, max_size=4).map(b".".join),
    )
)  # fmt: skip
def test_any_file_is_read_or_refused(content: bytes) -> None:
    """Whatever an operator hands over as roots is read, or refused with the parser's own error."""
    with contextlib.suppress(UnreadableRoots):
        attestation.read(content, authority=TRUSTED)
