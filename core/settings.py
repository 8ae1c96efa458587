"""Every setting of the service: typed, frozen, complete at start."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any, Literal, get_origin
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DAY_SECONDS = 86_400
PREFIX = "ERTI_"
FILE_VARIABLE = "ERTI_CONFIG"


class FileWrong(ValueError):
    """The file that `ERTI_CONFIG` names is not there, or is no TOML; the text is a sentence."""


class Settings(BaseSettings):
    """Read from `ERTI_…` variables, then from the TOML file that `ERTI_CONFIG` names, then these defaults."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", enable_decoding=False)

    mode: Literal["development", "production"] = Field(
        "development",
        description="`production` refuses plain http and test citizens; `erti check` names what else is unsafe.",
    )
    issuer: str = Field(
        "http://localhost:8000", description="The public address of the service; OpenID `iss`."
    )
    data_dir: Path = Field(Path("var"), description="Folder for keys, ledger files and the SQLite database.")
    database_url: str = Field("", description="SQLAlchemy address; empty means SQLite in `data_dir`.")
    database_pool: int = Field(20, description="Connections a process may hold open.")
    country: str = Field("Ertia", description="Name of the country, shown on pages and letters.")
    languages: tuple[str, ...] = Field(("en", "ka"), description="Official languages, the default first.")
    time_zone: str = Field("Asia/Tbilisi", description="IANA zone in which pages show times.")
    age_of_consent: int = Field(
        16,
        ge=0,
        le=25,
        description="Age from which people decide on their data themselves; until the birthday their parents act for them.",
    )

    pkcs11_module: Path | None = Field(
        None, description="PKCS#11 library; set, the root of all keys is on a token."
    )
    pkcs11_token: str = Field("erti", description="Label of the PKCS#11 token.")
    pkcs11_pin: SecretStr = Field(SecretStr(""), description="User PIN of the PKCS#11 token.")

    threads: int = Field(
        40, ge=4, description="Requests a process works on at once, password hashes not counted."
    )

    session_idle_seconds: int = Field(1800, description="A browser session ends after this long without use.")
    high_idle_seconds: int = Field(
        900,
        ge=60,
        description="After this long without use a citizen's session at high assurance counts as substantial until the next "
        "sign-in, and one of staff ends (NIST SP 800-63B-4, 2.3.3).",
    )
    session_seconds: int = Field(43_200, description="A browser session ends after this long in any case.")
    interaction_seconds: int = Field(1800, description="How long a person may take over one sign-in.")
    closing_days: int = Field(
        14, ge=1, description="How long a citizen who closes their account may think better of it."
    )
    reopening_hours: int = Field(
        24, ge=1, description="How long a paused account still waits once its citizen asked to open it again."
    )
    activation_days: int = Field(30, description="How long an activation code from the counter works.")
    code_seconds: int = Field(60, le=60, description="Life of an authorization code (FAPI 2.0, 5.3.2.1).")
    access_token_seconds: int = Field(600, description="Life of an opaque access token.")
    jwt_access_token_seconds: int = Field(300, le=300, description="Life of an RFC 9068 access token.")
    id_token_seconds: int = Field(600, description="Life of an ID token.")
    refresh_token_seconds: int = Field(
        7_776_000,
        description="Life of a refresh token for offline access, from the sign-in, however often it is used.",
    )

    dpop_nonce: Literal["required", "offered"] = Field(
        "required",
        description="Whether a DPoP proof must hold a nonce of ours (RFC 9449, 8); `offered` checks one where there is one.",
    )

    ledger_origin: str = Field(
        "ledger.erti.example/2026", description="Origin line of the checkpoint (C2SP)."
    )
    release_deadline_seconds: float = Field(
        1.0, description="A read not durable by then is answered with 503."
    )
    checkpoint_stale_seconds: int = Field(600, description="No checkpoint for this long stops all releases.")
    witness_policy: Path | None = Field(
        None,
        description="File with the `witness`, `group` and `quorum` lines of C2SP tlog-policy; empty asks no witness.",
    )
    witness_seconds: float = Field(
        4.0, gt=0, description="How long witnesses are waited for, for one checkpoint."
    )
    ledger_journal: Path | None = Field(
        None,
        description="Folder for the sealed rows that restore a ledger; on another disk than the database's. "
        "Empty means `ledger-journal` in `data_dir`.",
    )
    ledger_journal_days: int = Field(
        35,
        ge=1,
        description="How long the journal is kept: as long as the oldest backup that may be restored.",
    )
    withheld_longest_days: int = Field(
        1_095, ge=1, description="Longest time for which a purpose may say that a law withholds its reads."
    )
    withheld_checkpoint_seconds: int = Field(
        3_600,
        ge=1,
        le=43_200,
        description="Rhythm in which the open log takes in the hash of the withheld log's checkpoint.",
    )
    withheld_count_months: int = Field(
        3,
        ge=1,
        description="Whole months after which it is published how many entries the law withheld in a month.",
    )
    withheld_count_least: int = Field(
        10,
        ge=2,
        description="Published counts of what the law withholds are never smaller: fewer are told as this.",
    )
    ledger_batch_milliseconds: float = Field(4.0, description="How long the sequencer gathers one batch.")

    dispute_days: int = Field(30, ge=1, description="Days an agency has to answer a citizen's dispute.")
    oversight: str = Field(
        "", description="Whom citizens can turn to about an agency's answer; shown with each answer."
    )
    alert_mails_a_day: int = Field(
        5, ge=1, description="Alerts about looks that one citizen is mailed a day; then one summary."
    )
    office_hours: tuple[int, int] = Field(
        (8, 19), description="First hour of an office day and the hour it ends, in `time_zone`, for alerts."
    )
    office_days: tuple[int, ...] = Field(
        (1, 2, 3, 4, 5),
        description="Days of the week with office hours, 1 being Monday; holidays are not known.",
    )
    retention_file: Path | None = Field(
        None, description="TOML file that says how long entries are kept; see `docs/operate.md`."
    )

    places_file: Path | None = Field(
        None,
        description="File in MaxMind DB format that says near which town a network is, for lists of sessions and letters "
        "(`deploy/README.md`); empty shows networks alone.",
    )

    refusal_days: int = Field(
        30, ge=1, le=365, description="How long support can look up the reference number of a refusal."
    )

    argon2_memory_kib: int = Field(19_456, description="argon2id memory for passwords.")
    argon2_passes: int = Field(2, description="argon2id passes for passwords.")
    argon2_lanes: int = Field(1, description="argon2id lanes for passwords.")
    hashing_slots: int = Field(
        0, description="Password hashes at once; 0 means one for each core this process may use."
    )
    hashing_queue: int = Field(32, description="Password hashes that may wait; more are answered with 503.")

    guessing_alarm: int = Field(
        1000,
        ge=1,
        description="Wrong answers of one kind in five minutes, from all unknown browsers together, that make a line in the "
        "log; meanwhile each network may give a tenth as many.",
    )
    breached_passwords: Path | None = Field(
        None,
        description="List of passwords nobody may choose, made by `erti passwords build`; "
        "empty means the one that comes with Erti.",
    )
    passkey_attestation: Literal["none", "high", "all"] = Field(
        "none",
        description="Which passkeys must prove their model: none, those that are to reach high assurance, or all; "
        "see `docs/assurance.md`.",
    )
    passkey_roots: Path | None = Field(
        None,
        description="File that models are proven by: PEM roots, or the FIDO Metadata Service's file (MDS3).",
    )
    passkey_metadata_root: Path | None = Field(
        None, description="PEM file of the authority under which a downloaded FIDO metadata file is signed."
    )
    passkey_models: tuple[str, ...] = Field(
        (), description="AAGUIDs of the models that are accepted as proven; empty accepts each one trusted."
    )

    signing_key_days: int = Field(90, description="How long a signing key is active.")
    signing_key_announce_days: int = Field(14, description="How long a key is published before it signs.")
    signing_key_retain_days: int = Field(14, description="How long a key stays published after it signed.")

    smtp_url: str = Field("", description="`smtp://user:password@host:port`; empty writes no mail.")
    mail_from: str = Field("Erti <no-reply@erti.example>", description="Sender of the service's mail.")

    sms_url: str = Field(
        "", description="Where text messages are handed to a gateway (`docs/operate.md`); empty sends none."
    )
    sms_secret: SecretStr = Field(SecretStr(""), description="What the gateway is shown as a bearer token.")
    sms_prefixes: tuple[str, ...] = Field(
        (), description="Beginnings of the numbers that are taken, e.g. `+995`; empty takes every number."
    )
    contact_undo_days: int = Field(
        7,
        ge=1,
        description="Days in which a change of a citizen's addresses can be taken back from those they had before.",
    )
    recovery_wait_seconds: int = Field(
        259_200,
        ge=1,
        description="How long somebody waits who regains an account by e-mail, and can be stopped; a day at least in production.",
    )
    recovery_wait_alone_seconds: int = Field(
        604_800,
        ge=1,
        description="The same where one e-mail address is all that is told of it.",
    )

    trusted_proxies: tuple[str, ...] = Field(
        (), description="Networks whose `X-Forwarded-For` and client certificates are believed."
    )
    client_certificate_header: str = Field(
        "",
        pattern="^[A-Za-z0-9-]*$",
        description="Header in which a trusted proxy hands over the client's certificate, e.g. `Client-Cert`; "
        "empty believes none.",
    )
    client_ca: Path | None = Field(
        None,
        description="PEM file of the authorities whose client certificates are taken for `tls_client_auth`.",
    )
    mtls_address: str = Field(
        "", description="Public address of the endpoints that ask for a client certificate (RFC 8705, 5)."
    )
    registration: Literal["closed", "token", "open"] = Field(
        "closed",
        description="Who may register clients at `/register`: nobody, who has an initial access token "
        "(`erti clients invite`), or everybody, into a sandbox; `open` is refused in production.",
    )
    software_statement_keys: Path | None = Field(
        None,
        description="JSON file with the JWK Set of each issuer whose software statements count (RFC 7591, 2.3).",
    )
    outbound_private_hosts: tuple[str, ...] = Field(
        (), description="Private hosts that may be called out to."
    )
    outbound_ca_file: Path | None = Field(None, description="Extra CA certificates for outbound calls.")
    registry_keys: Path | None = Field(None, description="JWKS file of the registries that may send events.")
    metrics_networks: tuple[str, ...] = Field(
        ("127.0.0.0/8", "::1/128"), description="Networks that may read `/metrics`."
    )
    log_format: Literal["text", "json"] = Field("text", description="How log lines are written.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the signature is pydantic's)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, the TOML file."""
        named = os.environ.get(FILE_VARIABLE)
        if named and not Path(named).is_file():
            raise FileWrong(f"{FILE_VARIABLE} names {named}, and no such file is there")
        try:
            toml = TomlConfigSettingsSource(settings_cls, named or None)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise FileWrong(f"{FILE_VARIABLE} names {named}, which cannot be read: {error}") from error
        return init_settings, env_settings, toml

    @field_validator("*", mode="before")
    @classmethod
    def _lists_are_written_plainly(cls, value: Any, info: ValidationInfo) -> Any:
        """Take a list that a variable holds: words with commas between them, or a JSON list."""
        of = cls.model_fields[info.field_name or ""].annotation
        if not isinstance(value, str) or get_origin(of) is not tuple:
            return value
        if not value.lstrip().startswith("["):
            return tuple(word for part in value.split(",") if (word := part.strip()))
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(
                'write words with commas between them, such as one,two, or a list, ["one", "two"]'
            ) from error

    @model_validator(mode="after")
    def _issuer_is_an_origin(self) -> "Settings":
        parts = urlsplit(self.issuer)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path != "":
            raise ValueError(
                "issuer must be an address such as https://id.example.gov, without a path or final slash"
            )
        if self.mode == "production" and parts.scheme != "https":
            raise ValueError("in production the issuer must begin with https://")
        if self.mode == "production" and self.recovery_wait_seconds < DAY_SECONDS:
            raise ValueError("in production recovery_wait_seconds must be a day at least")
        if self.recovery_wait_alone_seconds < self.recovery_wait_seconds:
            raise ValueError("recovery_wait_alone_seconds must not be shorter than recovery_wait_seconds")
        if self.mode == "production" and self.registration == "open":
            raise ValueError("in production registration must be closed or by token")
        return self

    @model_validator(mode="after")
    def _mtls_address_is_an_origin(self) -> "Settings":
        parts = urlsplit(self.mtls_address)
        if self.mtls_address and (parts.scheme != "https" or not parts.netloc or parts.path != ""):
            raise ValueError("mtls_address must be an address such as https://mtls.id.example.gov")
        return self

    @property
    def secure(self) -> bool:
        """True when people reach the service over TLS, so cookies get the `__Host-` prefix and `Secure`."""
        return self.issuer.startswith("https://")

    @property
    def sees_certificates(self) -> bool:
        """True where clients can show a certificate: to Erti's own TLS, or to a trusted proxy that says which."""
        handed_over = bool(self.client_certificate_header and self.trusted_proxies)
        return handed_over or bool(self.mtls_address) or self.client_ca is not None

    @property
    def host(self) -> str:
        """The issuer's host name, which is also the WebAuthn RP ID."""
        return urlsplit(self.issuer).hostname or "localhost"

    @property
    def store(self) -> str:
        """The SQLAlchemy address of the database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'erti.db'}"
