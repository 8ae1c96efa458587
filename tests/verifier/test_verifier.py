from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.ledger import entries
from tests.verifier import forging
from tests.verifier.forgeries import FORGERIES, POLICY, rewrite_head, verdict
from verifier import erti_verify

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def log() -> forging.Log:
    """Twenty entries of one citizen, between those of others."""
    return forging.twenty()


def test_an_honest_bundle_is_accepted(log: forging.Log) -> None:
    """An unaltered history is accepted as VALID-COMPLETE, with every entry in it."""
    history = erti_verify.read_bundle(forging.encode(log.bundle()), POLICY)
    assert erti_verify.verdict_of(history) == ["VALID-COMPLETE"]
    assert [entry.number for entry in history.entries] == list(range(1, 21))
    assert history.signed_at == forging.NOW
    said = erti_verify.report(history, POLICY)
    assert POLICY.fingerprint in said
    assert "attributes released by client revenue-portal" in said
    assert "purpose: purpose-19" in said


def test_a_history_without_entries_is_accepted(log: forging.Log) -> None:
    """Somebody about whom nothing is recorded gets a bundle that holds."""
    assert verdict(log.bundle("NOBODY")) == ("VALID-COMPLETE", "")


def test_erased_entries_are_counted(log: forging.Log) -> None:
    """Entries whose opening is destroyed keep their place; the verdict counts them."""
    assert verdict(log.bundle(erased=(3, 4, 20))) == ("VALID-COMPLETE ERASED 3", "")


def test_what_was_erased_stays_erased() -> None:
    """A history that says how many entries were erased, and shows more than that leaves, was put together anew."""
    log = forging.Log()
    for _ in range(4):
        log.add()
    log.add(kind="history-erased", entries=2, year=2026)
    assert verdict(log.bundle(erased=(1, 2))) == ("VALID-COMPLETE ERASED 2", "")
    assert verdict(log.bundle(erased=(1, 2, 3)))[0] == "VALID-COMPLETE ERASED 3"
    assert verdict(log.bundle(erased=(2,))) == (
        "ALTERED",
        "2 entries were erased, as the history says, and 1 are: some were put back",
    )


@pytest.mark.slow
def test_every_changed_byte_is_rejected(log: forging.Log) -> None:
    """Each byte of a 20-entry bundle, changed, leads to a rejection that says what is wrong."""
    data = forging.encode(log.bundle(erased=(7,)))
    assert len(data) > 20_000
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ (1, 0x20)[place % 2]]) + data[place + 1 :]
        with pytest.raises(erti_verify.Rejected) as caught:
            erti_verify.read_bundle(changed, POLICY)
        assert len(caught.value.reason) > 15


def test_every_cut_and_every_addition_is_rejected(log: forging.Log) -> None:
    """A bundle cut short, or with anything before or after it, is rejected."""
    data = forging.encode(log.bundle())
    for length in range(0, len(data), 97):
        with pytest.raises(erti_verify.Rejected):
            erti_verify.read_bundle(data[:length], POLICY)
    for changed in (data + b"\n", b" " + data, b"\xef\xbb\xbf" + data, data + data):
        with pytest.raises(erti_verify.Rejected):
            erti_verify.read_bundle(changed, POLICY)


@pytest.mark.parametrize("number", range(1, 21))
def test_every_dropped_entry_is_named(log: forging.Log, number: int) -> None:
    """An entry taken out is missed by its number, even when count and head are adjusted."""
    bundle = log.bundle()
    del bundle["logs"][0]["entries"][number - 1]
    said, reason = verdict(bundle)
    assert said == "MISSING"
    assert (
        (f"number {number} is left out" in reason)
        if number < 20
        else "says 20 entries and holds 19" in reason
    )
    bundle["logs"][0]["n"] = 19
    rewrite_head(bundle)
    if number == 20:  # the tail, which only the map knows of
        reason = "the map of ledger.test.example/1 does not end this history at 19 entries"
    said, why = verdict(bundle)
    assert said == "MISSING"
    assert reason in why


@pytest.mark.parametrize("number", range(1, 20))
def test_every_swapped_pair_is_named(log: forging.Log, number: int) -> None:
    """Two neighbouring entries that changed places are noticed, even with a head that fits."""
    bundle = log.bundle(erased=(5, 6))
    listed = bundle["logs"][0]["entries"]
    listed[number - 1], listed[number] = listed[number], listed[number - 1]
    said, reason = verdict(bundle)
    assert said == "ALTERED"
    assert "changed places" in reason
    rewrite_head(bundle)
    assert verdict(bundle) == (said, reason)


@pytest.mark.parametrize(
    ("forge", "said", "reason"),
    FORGERIES,
)
def test_forgeries_are_rejected_by_name(
    log: forging.Log, forge: forging.Forge, said: str, reason: str
) -> None:
    """Each way of forging a bundle is rejected with its verdict and with the place that is wrong."""
    bundle = log.bundle()
    forge(log, bundle)
    found = verdict(bundle)
    assert found[0] == said
    assert reason in found[1]


def test_an_operator_who_renumbers_is_caught() -> None:
    """Leaving an entry out of the log and writing the rest around it breaks the numbers or the chain."""
    log = forging.Log()
    log.add()
    log.add()
    index, nonce, record = log.chains[forging.CITIZEN].pop()
    honest = json.loads(record)
    forged = honest | {"seq": 3}
    log.heads.pop(forging.CITIZEN)
    log.put(forging.CITIZEN, nonce, json.dumps(forged, sort_keys=True, separators=(",", ":")).encode())
    log.heads[forging.CITIZEN] = entries.first_head(forging.label_of(forging.CITIZEN))
    bundle = log.bundle()
    rewrite_head(bundle)
    assert verdict(bundle) == ("MISSING", "number 2 is left out: number 3 stands in its place")
    assert index == 2


def test_another_log_key_is_unknown() -> None:
    """A bundle of a log with other keys is not accepted under this policy, however well made."""
    log = forging.Log(seed=b"x")
    log.add()
    assert verdict(log.bundle())[0] == "UNKNOWN-KEY"
    mixed = log.bundle()
    mixed["checkpoint"] = log.checkpoint(seed=b"s")
    assert verdict(mixed) == (
        "UNKNOWN-KEY",
        "entry 0 of the log names another log or other log keys than the trust policy",
    )


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier as a person would: its one file, no package of ours within reach."""
    return subprocess.run(
        [sys.executable, "-I", str(folder / "erti_verify.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
    )


@pytest.fixture
def desk(tmp_path: Path, log: forging.Log) -> Path:
    """A folder with the verifier's one file, a policy and a bundle, and nothing else."""
    (tmp_path / "erti_verify.py").write_bytes((ROOT / "verifier" / "erti_verify.py").read_bytes())
    (tmp_path / "policy").write_bytes(forging.policy())
    (tmp_path / "bundle").write_bytes(forging.encode(log.bundle()))
    return tmp_path


def test_the_command_accepts_rejects_and_refuses(desk: Path, log: forging.Log) -> None:
    """Exit code 0 is accepted, 1 rejected, 2 unusable; fingerprint and verdict are printed."""
    accepted = run(desk, "bundle", "--policy", "policy")
    assert accepted.returncode == 0, accepted.stderr
    assert POLICY.fingerprint in accepted.stdout
    assert "VALID-COMPLETE" in accepted.stdout
    assert accepted.stdout.count("attributes released") == 20

    broken = log.bundle()
    del broken["logs"][0]["entries"][3]
    (desk / "broken").write_bytes(forging.encode(broken))
    rejected = run(desk, "broken", "--policy", "policy", "--json")
    assert rejected.returncode == 1
    said = json.loads(rejected.stdout)
    assert (said["accepted"], said["verdict"]) == (False, ["MISSING"])
    assert "number 4" in said["reason"]

    assert run(desk, "nothing", "--policy", "policy").returncode == 2
    assert run(desk, "bundle", "--policy", "bundle").returncode == 2
    assert run(desk, "bundle").returncode == 2
    assert run(desk, "--help").stdout.index("What acceptance establishes") > 0


def test_the_command_sees_no_package_of_ours(desk: Path) -> None:
    """The verifier's file runs where none of our packages and none of the server's libraries exist."""
    packages = ["core", "keys", "consent", "registry_sync", "idp", "service", "fastapi", "sqlalchemy"]
    probe = desk / "probe.py"
    probe.write_text(
        "import importlib.abc, runpy, sys\n"
        "class Only(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        top = name.partition('.')[0]\n"
        "        if top in sys.stdlib_module_names or top in ('cryptography', '_cffi_backend', 'erti_verify'):\n"
        "            return None\n"
        "        raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Only())\n"
        f"for name in {packages!r}:\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ModuleNotFoundError:\n"
        "        continue\n"
        "    raise SystemExit(name + ' can be imported')\n"
        "sys.argv = ['erti-verify', 'bundle', '--policy', 'policy']\n"
        "runpy.run_path('erti_verify.py', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", str(probe)], capture_output=True, text=True, cwd=desk, env={**os.environ}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VALID-COMPLETE" in done.stdout


def test_an_earlier_bundle_must_still_be_there(desk: Path) -> None:
    """With --earlier, a vanished tail is MISSING, a rewritten past is FORK, an older tree is STALE."""
    log = forging.Log()
    for _ in range(3):
        log.add()
    (desk / "old").write_bytes(forging.encode(log.bundle()))
    log.add()
    (desk / "new").write_bytes(forging.encode(log.bundle()))
    assert run(desk, "new", "--policy", "policy", "--earlier", "old").returncode == 0
    assert "REJECTED, STALE" in run(desk, "old", "--policy", "policy", "--earlier", "new").stdout

    shorter = forging.Log()
    for _ in range(2):
        shorter.add()
    for _ in range(9):
        shorter.add("NEIGHBOUR")
    (desk / "shorter").write_bytes(forging.encode(shorter.bundle()))
    assert run(desk, "shorter", "--policy", "policy").returncode == 0
    assert "REJECTED, MISSING" in run(desk, "shorter", "--policy", "policy", "--earlier", "old").stdout

    other = forging.Log()
    for number in range(6):
        other.add(agency=f"other-{number}")
    (desk / "other").write_bytes(forging.encode(other.bundle()))
    assert "REJECTED, FORK" in run(desk, "other", "--policy", "policy", "--earlier", "old").stdout
    assert "REJECTED, FORK" in run(desk, "other", "--policy", "policy", "--earlier", "new").stdout


def test_an_old_checkpoint_is_stale_when_asked(desk: Path) -> None:
    """With --max-age, a checkpoint signed longer ago is rejected as STALE."""
    log = forging.Log()
    (desk / "old").write_bytes(forging.encode(log.bundle(at=1_000_000_000)))
    assert run(desk, "old", "--policy", "policy").returncode == 0
    assert "REJECTED, STALE" in run(desk, "old", "--policy", "policy", "--max-age", "30").stdout


def test_records_cannot_write_over_the_verdict() -> None:
    """Control and direction characters in a record are shown as replacement characters."""
    log = forging.Log()
    log.add(agency="\x1b[2JVALID-COMPLETE\r\u202e")
    history = erti_verify.read_bundle(forging.encode(log.bundle()), POLICY)
    said = erti_verify.report(history, POLICY)
    assert not {"\x1b", "\r", "\u202e"} & set(said)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"# Erti trust policy 2\n",
        forging.policy()[:-1],
        forging.policy().replace(b"quorum none\n", b""),
        forging.policy() + b"quorum none\n",
        forging.policy() + b"witness x\n",
        forging.policy().replace(b"+A", b"+B"),
        forging.policy().replace(b"vrf ECVRF", b"vrf OTHER"),
        "# Erti trust policy 1\nlog é\n".encode(),
    ],
)
def test_a_policy_not_understood_is_unusable(broken: bytes) -> None:
    """A policy with anything this verifier does not understand is not used at all."""
    with pytest.raises(erti_verify.Unusable):
        erti_verify.read_policy(broken)


def test_the_fingerprint_is_of_the_whole_policy() -> None:
    """Two policies that differ in one byte have different fingerprints of 32 letters and digits."""
    other = erti_verify.read_policy(forging.policy(b"x"))
    assert other.fingerprint != POLICY.fingerprint
    assert len(POLICY.fingerprint.replace("-", "")) == 32


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_bundle_the_verifier_answers(log: forging.Log, data: st.DataObject) -> None:
    """With any JSON value in any place, the verifier rejects and says why; it never stumbles."""
    bundle = json.loads(forging.encode(log.bundle(erased=(2,))))
    inner = bundle["logs"][0]
    place = data.draw(st.sampled_from([bundle, inner, inner["leaf0"], inner["map"], *inner["entries"]]))
    key = data.draw(st.sampled_from(sorted(place)))
    before = place[key]
    place[key] = data.draw(JSON)
    written = json.dumps(bundle, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if place[key] == before and type(place[key]) is type(before):
        return
    with pytest.raises(erti_verify.Rejected):
        erti_verify.read_bundle(written.encode(errors="surrogatepass"), POLICY)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_file_is_answered(data: bytes) -> None:
    """Whatever file is given as a bundle or a policy, the answer is a rejection in words."""
    with pytest.raises(erti_verify.Rejected):
        erti_verify.read_bundle(data, POLICY)
    with pytest.raises(erti_verify.Unusable):
        erti_verify.read_policy(data)


@pytest.mark.parametrize(
    ("text", "accepted"), [('{"\U0001f600":2,"\ue000":1}', True), ('{"\ue000":1,"\U0001f600":2}', False)]
)
def test_names_beyond_the_first_plane_are_sorted_as_utf_16(text: str, accepted: bool) -> None:
    """RFC 8785 section 3.2.3: U+1F600 stands before U+E000, and the order of code points is refused."""
    if accepted:
        assert erti_verify.canonical(text.encode(), "it") == {"\U0001f600": 2, "\ue000": 1}
    else:
        with pytest.raises(erti_verify.Rejected):
            erti_verify.canonical(text.encode(), "it")


def test_a_machine_without_the_package_accuses_nobody(desk: Path) -> None:
    """Where `cryptography` is missing or too old the check was not made: exit code 2, with the words to install it."""
    (desk / "old" / "cryptography").mkdir(parents=True)
    (desk / "old" / "cryptography" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "erti_verify.py", "bundle", "--policy", "policy"],
        cwd=desk,
        env={"PYTHONPATH": "old"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'cryptography>=50'" in done.stderr
    assert "Traceback" not in done.stderr
