"""Each way of forging a bundle, and what the verifier says of one."""

from __future__ import annotations

from consent.ledger import entries, note
from tests.verifier import forging
from verifier import erti_verify

POLICY = erti_verify.read_policy(forging.policy())


def verdict(bundle: forging.Bundle, policy: erti_verify.Policy = POLICY) -> tuple[str, str]:
    """Verdict and reason the verifier gives."""
    try:
        history = erti_verify.read_bundle(forging.encode(bundle), policy)
    except erti_verify.Rejected as error:
        return error.verdict, error.reason
    return " ".join(erti_verify.verdict_of(history)), ""


def rewrite_head(bundle: forging.Bundle) -> None:
    """Make `head` fit the entries listed, as a forger would."""
    head = entries.first_head(bytes.fromhex(bundle["label"]))
    for entry in bundle["logs"][0]["entries"]:
        if "erased" in entry:
            commitment = note.decode(entry["commitment"])
        else:
            commitment = entries.commitment(note.decode(entry["nonce"]), entry["record"].encode())
        head = entries.next_head(head, commitment)
    bundle["logs"][0]["head"] = note.encode(head)


def _drop_erased(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle.update(log.bundle(erased=(7,)))
    del bundle["logs"][0]["entries"][6]
    bundle["logs"][0]["n"] = 19
    rewrite_head(bundle)


def _somebody_elses(log: forging.Log, bundle: forging.Bundle) -> None:
    other = log.bundle("NEIGHBOUR")["logs"][0]
    bundle["logs"][0] |= {name: other[name] for name in ("entries", "n", "head", "map")}


def _other_label(log: forging.Log, bundle: forging.Bundle) -> None:
    other = log.bundle("NEIGHBOUR")
    bundle |= {name: other[name] for name in ("logs", "label")}


def _other_proof(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle["vrf_proof"] = log.bundle("NEIGHBOUR")["vrf_proof"]


def _reworded(log: forging.Log, bundle: forging.Bundle) -> None:
    entry = bundle["logs"][0]["entries"][4]
    entry["record"] = entry["record"].replace("purpose-4", "purpose-5")


def _shown_twice(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle["logs"][0]["entries"].insert(4, bundle["logs"][0]["entries"][4])
    bundle["logs"][0]["n"] = 21
    rewrite_head(bundle)


def _replaced_erased(log: forging.Log, bundle: forging.Bundle) -> None:
    index, nonce, record = log.chains["NEIGHBOUR"][1]
    bundle["logs"][0]["entries"][2] = {
        "index": index,
        "commitment": note.encode(entries.commitment(nonce, record)),
        "erased": True,
        "proof": log.proof(index),
    }
    rewrite_head(bundle)


def _erased_false(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle.update(log.bundle(erased=(7,)))
    bundle["logs"][0]["entries"][6]["erased"] = False


def _other_tree(log: forging.Log, bundle: forging.Bundle) -> None:
    fork = forging.twenty()
    fork.add()
    fork.close()
    bundle["checkpoint"] = fork.checkpoint()


def _other_signer(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle["checkpoint"] = log.checkpoint(seed=b"x")


def _one_signature(log: forging.Log, bundle: forging.Bundle) -> None:
    text = bundle["checkpoint"]
    bundle["checkpoint"] = text[: text.index("\N{EM DASH}", text.index("\N{EM DASH}") + 1)]


def _moved_index(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle["logs"][0]["entries"][0]["index"] += 1


def _padded_base64(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle["logs"][0]["entries"][0]["nonce"] += "="


def _extra_member(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle["comment"] = "trust me"


def _wrong_leaf0(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle["logs"][0]["leaf0"] = {
        "record": bundle["logs"][0]["leaf0"]["record"].replace("test.example", "fake.example"),
        "proof": bundle["logs"][0]["leaf0"]["proof"],
    }


def _boolean_count(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle["logs"][0] |= {"n": True, "entries": bundle["logs"][0]["entries"][:1]}
    rewrite_head(bundle)


def _long_proof(log: forging.Log, bundle: forging.Bundle) -> None:
    bundle["logs"][0]["entries"][0]["proof"].append(bundle["logs"][0]["head"])


# how it is forged, the verdict, and the place that is named
FORGERIES: list[tuple[forging.Forge, str, str]] = [
    (_drop_erased, "MISSING", "number 7 is left out"),
    (_somebody_elses, "ALTERED", "entry 1 belongs to somebody else's history"),
    (_other_label, "ALTERED", "label is not proved"),
    (_other_proof, "ALTERED", "label is not proved"),
    (_reworded, "ALTERED", "entry 5: it does not stand at place"),
    (_shown_twice, "ALTERED", "changed places"),
    (_replaced_erased, "ALTERED", ""),
    (_erased_false, "ALTERED", "entry 7: erased is not true"),
    (_other_tree, "ALTERED", "entry 0 of the log: it does not stand"),
    (_other_signer, "UNKNOWN-KEY", "Ed25519 log key"),
    (_one_signature, "UNKNOWN-KEY", "ML-DSA-44 log key"),
    (_moved_index, "ALTERED", "entry 1: it does not stand"),
    (_padded_base64, "ALTERED", "entry 1: its nonce"),
    (_extra_member, "ALTERED", "does not have exactly the members"),
    (_wrong_leaf0, "ALTERED", "entry 0 of the log"),
    (_boolean_count, "ALTERED", "n is not a whole number"),
    (_long_proof, "ALTERED", "entry 1"),
]
