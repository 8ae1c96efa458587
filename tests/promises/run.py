"""Break each promise in a scratch copy of the house, and fail if its test does not notice."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from compileall import compile_dir
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import SimpleQueue

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TESTS_FAILED = 1  # pytest's exit code for that; any other means that something else went wrong
TEST_SECONDS, ALL_TESTS_SECONDS = 300, 1200
AT_ONCE = 2


@dataclass(frozen=True)
class Break:
    """One patch: which promise it breaks, how, and the tests that must then fail."""

    path: Path
    promise: str
    breaks: str
    tests: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "Break":
        """Read the lines `Promise:`, `Breaks:` and `Test:` that stand before the patch itself."""
        head = path.read_text(encoding="utf-8").partition("\ndiff --git")[0]
        said = {
            key: re.findall(rf"^{key}: (.+)$", head, re.MULTILINE) for key in ("Promise", "Breaks", "Test")
        }
        if not all(said.values()):
            raise SystemExit(f"{path.name}: says no Promise, Breaks or Test")
        return cls(path, said["Promise"][0], said["Breaks"][0], tuple(said["Test"]))


def main(arguments: list[str]) -> int:
    """Run every break, or those whose file names contain one of the arguments; returns the exit code."""
    every = [Break.read(path) for path in sorted(HERE.glob("*.patch"))]
    chosen = [each for each in every if not arguments or any(word in each.path.name for word in arguments)]
    unkept = {f"{number}" for number in range(1, 6)} - {each.promise[0] for each in every}
    if unkept or not chosen:
        print(f"no patch breaks promise {', '.join(sorted(unkept)) or arguments}")
        return 1
    with tempfile.TemporaryDirectory(prefix="erti-promises-") as folder:
        # PostgreSQL runs as another user when we are root, and must be able to come this far.
        Path(folder).chmod(0o755)
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            copy = Path(folder) / f"erti-{number}"
            copy_house(copy)
            copies.put(copy)

        def in_a_copy(each: Break | None) -> bool:
            free = copies.get()
            try:
                return noticed(free, each) if each else holds_unbroken(free, chosen)
            finally:
                copies.put(free)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            whole, *verdicts = pool.map(in_a_copy, [None, *chosen])
    unnoticed = [each.path.name for each, saw in zip(chosen, verdicts, strict=True) if not saw]
    print(f"\n{len(chosen) - len(unnoticed)} of {len(chosen)} broken promises were noticed")
    return 1 if unnoticed or not whole else 0


def copy_house(target: Path) -> None:
    """Copy every file of ours, committed or not, into a folder with a history of its own, and compile it there."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
    # By their hash, as a patch and its way back may come within the same second.
    compile_dir(target, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def holds_unbroken(copy: Path, chosen: list[Break]) -> bool:
    """Tell whether all the tests pass as long as nothing is broken; otherwise a failure proves nothing."""
    tests = sorted({test for each in chosen for test in each.tests})
    result = pytest(copy, tests, seconds=ALL_TESTS_SECONDS)
    if result.returncode:
        print(f"{result.stdout[-4000:]}\nthese tests must pass before anything is broken", flush=True)
    return result.returncode == 0


def noticed(copy: Path, broken: Break) -> bool:
    """Apply a patch, run its tests, take the patch back; tell whether each of the tests failed."""
    begun = time.monotonic()
    applied = git_apply(copy, broken.path)
    if applied.returncode:
        print(f"STALE     {broken.path.name}: does not apply any more\n{applied.stderr}")
        return False
    try:
        results = [(test, pytest(copy, [test], "--exitfirst")) for test in broken.tests]
    finally:
        git_apply(copy, broken.path, "--reverse")
    took = time.monotonic() - begun
    for test, result in results:
        if result.returncode != TESTS_FAILED or re.search(
            r"^\d+ .*\berrors?\b.* in ", result.stdout, re.MULTILINE
        ):
            print(f"UNNOTICED {broken.path.name}: {test}\n{result.stdout[-3000:]}")
            return False
    print(f"noticed   {broken.path.stem} ({took:.0f} s): {broken.breaks}", flush=True)
    return True


def git_apply(copy: Path, patch: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Apply a patch wherever its lines are found, with one line around them."""
    command = ["git", "apply", "-C1", "--recount", "--whitespace=nowarn", *options, str(patch)]
    return subprocess.run(command, cwd=copy, check=False, capture_output=True, text=True)


def pytest(
    copy: Path, tests: list[str], *options: str, seconds: float = TEST_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy, against the code of the copy; a test that does not end has failed."""
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "ERTI_TEST_STRICT": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "--tb=line",
        *options,
        *tests,
    ]
    try:
        return subprocess.run(
            command,
            cwd=copy,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, TESTS_FAILED, stdout="1 failed: did not end\n", stderr="")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
