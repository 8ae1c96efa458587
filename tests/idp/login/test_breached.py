import hashlib
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st
from typer.testing import CliRunner

from core.database import Parts
from core.settings import Settings
from idp.errors import BreachedListWrong, PasswordUnfit
from idp.login import password
from idp.login.breached import listed, making
from idp.login.breached.listed import BUCKETS, HEAD, OFFSETS, Listed
from service.app import begin, open_house
from service.cli import app

# What may be chosen does not depend on the engine.
ON_ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the lists of these tests."""
    return tmp_path_factory.mktemp("lists")


def made(folder: Path, content: bytes, **options: object) -> Listed:
    """The list of a file's lines."""
    file = io.BytesIO(content)
    given = {"hashes": False, "shortest": 1, **options}
    making.build(making.lines(file), folder / "one.bin", **given)  # type: ignore[arg-type]
    return Listed(folder / "one.bin")


def refuses(settings: Settings, secret: str, *unlike: str) -> str:
    """What is said to who chooses a password; nothing if it may be one."""
    try:
        password.fit(Parts(settings=settings), secret, unlike=unlike)
    except PasswordUnfit as problem:
        return str(problem.text)
    return ""


@rules(max_examples=40)
@given(st.sets(WORDS, min_size=1, max_size=40), WORDS)
def test_what_was_put_in_is_found_and_nothing_else(folder: Path, words: set[str], other: str) -> None:
    """Every password of a file is listed however it is typed; one that is not there in any spelling is not."""
    found = made(folder, "\n".join(words).encode())
    for word in words:
        assert word in found
        assert listed.folded(word) in found
    alike = {listed.folded(word) for word in words}
    if not {other, listed.folded(other), "".join(listed.folded(other).split())} & alike:
        assert other not in found
    assert len(found) == len(alike)


@rules(max_examples=40)
@given(st.binary(max_size=400), st.booleans())
def test_any_file_is_a_list_or_refused(folder: Path, content: bytes, hashes: bool) -> None:
    """Whatever lines a file has, a list that can be opened comes of it, or the one error that says why not."""
    try:
        found = made(folder, content, hashes=hashes)
    except BreachedListWrong:
        return
    assert 0 < len(found) <= content.count(b"\n") + 1


@rules(max_examples=60)
@given(
    st.one_of(
        st.binary(max_size=100),
        st.tuples(st.integers(0, 40), st.integers(0, 9), st.lists(st.integers(0, 2**32 - 1), max_size=5), st.integers(0, 60)),
    ),
    WORDS,
)  # fmt: skip
def test_any_bytes_are_a_list_or_refused(folder: Path, given: object, word: str) -> None:
    """Whatever a file holds, looking into it gives yes or no, or it was refused when it was opened."""
    if isinstance(given, tuple):
        count, width, offsets, rest = given
        table = [*offsets, *[count] * (BUCKETS + 1 - len(offsets))]
        given = HEAD.pack(listed.MAGIC, count, width) + OFFSETS.pack(*table) + bytes(rest)
    file = folder / "any.bin"
    file.write_bytes(given)  # type: ignore[arg-type]
    try:
        found = Listed(file)
    except BreachedListWrong:
        return
    assert (word in found) in (True, False)


def test_lists_of_hashes_hold_passwords_as_they_were_stolen(folder: Path) -> None:
    """A file in the form of Have I Been Pwned finds a password in its own letters, and lines of another form are counted."""
    digest = hashlib.sha1(b"Correct-Horse-99").hexdigest()
    lines = f"{digest.upper()}:37\n{hashlib.sha1(b'x').hexdigest()}\nno hash\n".encode()
    found = made(folder, lines, hashes=True)
    assert "Correct-Horse-99" in found
    assert "correct-horse-99" not in found
    assert len(found) == 2
    assert making.are_hashes(lines.split(b"\n")[0])
    assert not making.are_hashes(b"password")


def test_many_hashes_in_one_bucket_are_told_apart(folder: Path) -> None:
    """Three hundred hashes that begin alike are each found, also the first and the last of all buckets."""
    alike = [bytes([7, 9]) + number.to_bytes(2, "big") + bytes(16) for number in range(300)]
    ends = [bytes(20), b"\xff" * 20]
    found = made(folder, b"\n".join(one.hex().encode() for one in [*alike, *ends]), hashes=True)
    assert all(found._holds(one) for one in [*alike, *ends])
    assert not found._holds(bytes([7, 9]) + (300).to_bytes(2, "big") + bytes(16))
    assert len(found) == 302


def test_longer_lists_keep_more_of_each_hash() -> None:
    """With the bytes that are kept, one good password in half a million at most is taken for a listed one."""
    shipped = Listed(listed.SHIPPED)
    assert len(shipped) > 1_400_000
    assert shipped.mistaken < 1 / 500_000
    assert shipped.size < 5_000_000


@ON_ONE
def test_wrong_files_are_refused_at_start(settings: Settings, tmp_path: Path) -> None:
    """A file that is missing, empty, cut short or something else stops the start with a sentence that names it."""
    whole = listed.SHIPPED.read_bytes()
    for name, content in (
        ("gone", None),
        ("empty", b""),
        ("cut", whole[:-1]),
        ("text", b"password\n" * 40_000),
    ):
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        base = open_house(settings.model_copy(update={"breached_passwords": file}))
        with pytest.raises(BreachedListWrong) as refused:
            begin(base)
        base.close()
        assert str(file) in str(refused.value.detail)


@ON_ONE
def test_listed_passwords_cannot_be_chosen(settings: Settings) -> None:
    """The whole password counts: a listed one is refused in any spelling, and one that only contains it is not."""
    for secret in ("passwordpassword", "PassWordPassWord", "ｐasswordpassword", "password password"):
        assert "stolen" in refuses(settings, secret), secret
    assert not refuses(settings, "passwordpassword beside a quiet mill")
    assert not refuses(settings, "walnut ferry granite lantern")


@ON_ONE
def test_what_belongs_to_the_person_adds_no_length(settings: Settings) -> None:
    """Name, address, birthday and the service's own name with digits around them are refused; among other words they may stand."""
    mine = ("K7QD2M9XWT4BC", "nino.beridze@mail.example", "Nino", "1990-05-17")
    for secret in (
        "NinoBeridze1990",
        "K7QD-2M9X-WT4BC",
        "Beridze19900517!",
        "ertiertierti77",
        "id.erti.example1",
    ):
        assert "nothing to do with you" in refuses(settings, secret, *mine), secret
    for secret in ("nino feeds eleven geese", "14-02-1871-09-55", "Tamari keeps 3 properties"):
        assert not refuses(settings, secret, *mine), secret


@ON_ONE
def test_the_forms_say_what_to_do(person, letter) -> None:
    """Who chooses a listed password, or their own name from the register, reads why and what to choose, at the field."""
    citizen_id, code = letter()
    nino = person()
    nino.begin_activation(citizen_id, code)
    nino.open("/activate/password")
    answer = nino.send("/activate/password", username="", password="passwordpassword")
    assert answer.status_code == 400
    assert re.search('id="password-error".*thieves try it first', nino.page)
    assert "passwordpassword" not in answer.text
    nino.send("/activate/password", username="", password="Nino 1990-1990 Nino")
    assert re.search('id="password-error".*nothing to do with you', nino.page)


def test_a_list_is_made_on_the_command_line(tmp_path: Path) -> None:
    """`erti passwords build` makes a list that the setting takes, `info` tells of it, and `check` judges by it."""
    (tmp_path / "plain.txt").write_text("a stolen but long one\nshort\n" + "x" * 9000 + "\n", "utf-8")
    run, target = CliRunner(), tmp_path / "mine.bin"
    result = run.invoke(
        app, ["passwords", "build", str(tmp_path / "plain.txt"), "--to", str(target), "--json"]
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (figures["kept"], figures["short"], figures["lines"]) == (2, 1, 3)
    assert json.loads(run.invoke(app, ["passwords", "info", str(target), "--json"]).stdout)["passwords"] == 2
    chosen = {"ERTI_BREACHED_PASSWORDS": str(target), "ERTI_DATA_DIR": str(tmp_path)}
    for typed, code in (("A stolen but LONG one", 1), ("passwordpassword", 0)):
        assert run.invoke(app, ["passwords", "check"], input=f"{typed}\n", env=chosen).exit_code == code
    (tmp_path / "empty.txt").write_text("")
    nothing = run.invoke(app, ["passwords", "build", str(tmp_path / "empty.txt"), "--to", str(target)])
    assert nothing.exit_code == 1
    assert len(Listed(target)) == 2
    assert not list(tmp_path.glob("*.part"))
