"""What is under version control could be given to anyone: no hosts of registries, no paths of one machine."""

import ast
import re
from importlib.metadata import packages_distributions

from tests.architecture import house

# Put together here, so that this file does not hold them either.
REGISTRIES = [".".join(words) for words in (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("crates", "io"),
    ("proxy", "golang", "org"), ("maven", "org"), ("deb", "debian", "org"), ("archive", "ubuntu", "com"),
    ("yarnpkg", "com"), ("docker", "io"),
)]  # fmt: skip
MACHINE_PATHS = ["/" + "/".join(words) for words in (
    ("work", "main"), ("work", "plan"), ("work", "shared"), ("tmp", "scratch"), ("root", ""), ("home", ""),
)]  # fmt: skip
UNREADABLE = {".png", ".jpg", ".ico", ".woff2", ".gz", ".mo", ".der", ".bin"}


def places(pattern: re.Pattern[str]) -> list[str]:
    """Return `file:line` of every tracked line in which the pattern is found."""
    return [
        f"{house.name(path)}:{number}"
        for path in house.tracked()
        if path.suffix not in UNREADABLE
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_registry_is_named() -> None:
    """Packages come from wherever a machine always takes them: no file names the host of a registry."""
    hosts = "|".join(re.escape(host) for host in REGISTRIES)
    assert not places(re.compile(rf"(?<![\w-])(?:[\w-]+\.)*(?:{hosts})(?![\w-])"))


def test_no_path_of_one_machine_is_named() -> None:
    """Nothing depends on where the house was built."""
    assert not places(re.compile("|".join(re.escape(path) for path in MACHINE_PATHS)))


def test_locks_have_a_hash_for_each_package() -> None:
    """Every locked Python package is held to the bytes that were seen when it was locked."""
    for lock in ("requirements.lock", "requirements-test.lock"):
        text = (house.ROOT / lock).read_text(encoding="utf-8")
        blocks = re.split(r"\n(?=\S)", re.sub(r"(?m)^#.*\n", "", text).strip())
        assert len(blocks) > 30
        assert not [block.split()[0] for block in blocks if "--hash=sha256:" not in block]
        assert "--index-url" not in text
        assert "--find-links" not in text


def test_what_runs_is_in_the_lock_that_runs() -> None:
    """Every package that the service or an example imports is in `requirements.lock`, not only in that of tests."""
    text = (house.ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {name.replace("_", "-").lower() for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    found_in = packages_distributions()
    imported = {
        name.split(".")[0]
        for path in house.files(*house.PACKAGES, "examples")
        for node in ast.walk(house.tree(path))
        for name in house.imported(node)
    }
    from_others = {
        name: found_in[name] for name in imported if name in found_in and name not in house.PACKAGES
    }
    missing = {
        name
        for name, distributions in from_others.items()
        if not {distribution.replace("_", "-").lower() for distribution in distributions} & locked
    }
    assert not missing
