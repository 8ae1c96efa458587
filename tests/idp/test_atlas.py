"""Near which town a network is: files as operators bring them, whole and damaged."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from core import language
from core.settings import Settings
from idp import atlas
from idp.atlas import Atlas
from idp.errors import PlacesWrong
from service.app import begin, open_house
from tests import mapped

ON_ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ASKED = ("31.146.7.9", "5.152.1.1", "46.49.0.1", "2.3.4.5", "8.8.8.8", "2a02:a000:1:2::/64", "2001:4860::/64")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file of towns."""
    return mapped.write(tmp_path_factory.mktemp("places") / "cities.mmdb")


@pytest.fixture
def georgian() -> Iterator[None]:
    """Let the reader read Georgian."""
    language.speak("ka")
    yield
    language.speak("en")


def test_networks_are_told_by_town_and_country(file: Path) -> None:
    """Town and country where the file has both, the country alone where it has no town or a vague one, or nothing."""
    towns = Atlas(file)
    assert [str(towns.near(one)) for one in ASKED] == [
        "near Tbilisi, Georgia",
        "near Batumi, Georgia",
        "somewhere in Georgia",
        "somewhere in France",
        "a place we do not know",
        "near Tbilisi, Georgia",
        "a place we do not know",
    ]
    assert str(towns.near("77.88.64.1")) == "somewhere in Norway", "registered there, used at sea"


def test_places_are_named_in_the_readers_language(file: Path, georgian: None) -> None:
    """A town has its Georgian name if the file knows one, else its English one; a country has it in any case."""
    towns = Atlas(file)
    assert "თბილისი" in str(towns.near("31.146.0.0"))
    assert "საქართველო" in str(towns.near("31.146.0.0"))
    assert "Batumi" in str(towns.near("5.152.0.0"))
    assert "საფრანგეთი" in str(towns.near("2.0.0.0"))


@pytest.mark.parametrize("local", ["10.1.2.3", "192.168.0.7", "127.0.0.1", "100.64.0.1", "fd00::/64", "::1"])
def test_local_networks_are_on_no_map(file: Path, local: str) -> None:
    """A house's, an office's or a provider's inner network is called local, whatever a file says of it."""
    assert Atlas(file).near(local) is atlas.LOCAL


@pytest.mark.parametrize("none", ["unknown", "", "300.1.1.1", "31.146.0.0/40", "\x00"])
def test_no_network_is_no_place(file: Path, none: str) -> None:
    """What is no network has no place."""
    assert Atlas(file).near(none) is None


def test_a_file_of_addresses_of_the_old_kind_knows_nothing_of_the_new(tmp_path: Path) -> None:
    """Where a file has IPv4 alone, the place of an IPv6 network is not known."""
    towns = Atlas(mapped.write(tmp_path / "four.mmdb", {"2.0.0.0/12": mapped.FRANCE}, version=4))
    assert str(towns.near("2.3.4.5")) == "somewhere in France"
    assert towns.near("2a02:a000:1:2::/64") is atlas.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "owner"), [("DBIP-City-Lite", "DB-IP"), ("GeoLite2-City", "MaxMind"), ("Own", "")]
)
def test_the_line_that_a_licence_asks_for(tmp_path: Path, kind: str, owner: str) -> None:
    """The free files' licences ask for a line where places are shown; another file's for none that we know."""
    credit = Atlas(mapped.write(tmp_path / "one.mmdb", kind=kind)).credit
    assert (owner in credit.line) if credit else not owner


def test_names_that_cannot_be_shown_are_not(tmp_path: Path) -> None:
    """A town whose name is no text, has what is not to be seen in it, or is as long as a page, is not named."""
    for number, name in enumerate(("", "To\nwn", "T\u202eown", "x" * 101, 7, {"en": "Town"})):
        record = {**mapped.FRANCE, "city": {"names": {"en": name}}}
        towns = Atlas(mapped.write(tmp_path / f"{number}.mmdb", {"2.0.0.0/12": record}))
        assert str(towns.near("2.0.0.1")) == "somewhere in France", name


def test_many_threads_read_one_file(file: Path) -> None:
    """Eight threads at once are told what one is told, from one open file."""
    towns = Atlas(file)
    alone = [str(towns.near(one)) for one in ASKED]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda one: str(towns.near(one)), ASKED * 100))
    assert together == alone * 100


@ON_ONE
def test_wrong_files_are_refused_at_start(settings: Settings, file: Path, tmp_path: Path) -> None:
    """A file that is missing, empty, cut short, still packed or of something else stops the start and is named."""
    whole = file.read_bytes()
    mapped.write(
        tmp_path / "asn", {"2.0.0.0/12": {"autonomous_system_organization": "Orange"}}, kind="GeoLite2-ASN"
    )
    for name, content in (
        ("gone", None),
        ("empty", b""),
        ("cut", whole[: len(whole) // 2]),
        ("packed", b"\x1f\x8b" + whole[2:900]),
        ("asn", (tmp_path / "asn").read_bytes()),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        base = open_house(settings.model_copy(update={"places_file": tmp_path / name}))
        with pytest.raises(PlacesWrong) as refused:
            begin(base)
        base.close()
        assert str(tmp_path / name) in str(refused.value.detail)
    assert "GeoLite2-ASN" in str(refused.value.detail)


@rules(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_does_more_than_hide_a_place(file: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Whatever bytes of a file are changed, before it is opened or after, it is refused or answers with words."""
    whole = bytearray(file.read_bytes())
    last = len(whole) - 1
    # Where a change does most: in the pointers at the beginning, and in what the file says of itself.
    place = st.one_of(st.integers(0, last), st.integers(last - 220, last), st.integers(0, 64))
    changes = data.draw(st.lists(st.tuples(place, st.binary(min_size=1, max_size=6)), min_size=1, max_size=6))
    late, damaged = data.draw(st.booleans()), tmp_path / "damaged.mmdb"
    damaged.write_bytes(whole)
    towns = Atlas(damaged) if late else None
    for at, put in changes:
        whole[at : at + len(put)] = put
    damaged.write_bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    try:
        towns = towns or Atlas(damaged)
    except PlacesWrong:
        return
    for one in ASKED:
        assert 0 < len(str(towns.near(one))) < 3 * atlas.LONGEST


@rules(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_refused(tmp_path: Path, content: bytes, signed: bool) -> None:
    """Whatever bytes a file holds that nobody made as one, it is refused with the one error."""
    (tmp_path / "any").write_bytes(content + (b"\xab\xcd\xefMaxMind.com" + content if signed else b""))
    with pytest.raises(PlacesWrong):
        Atlas(tmp_path / "any")
