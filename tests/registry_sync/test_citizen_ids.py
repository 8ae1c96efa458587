"""Citizen IDs: random, meaning nothing, and never mistaken for another."""

from hypothesis import given
from hypothesis import strategies as st

from registry_sync import people

EVERY_CHARACTER = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_every_wrong_character_is_found() -> None:
    """Whatever single character of an ID is replaced, the result is refused or is the same ID misread."""
    for _ in range(60):
        citizen_id = people.new_citizen_id()
        for place in range(13):
            for other in EVERY_CHARACTER:
                changed = citizen_id[:place] + other + citizen_id[place + 1 :]
                assert people.compact(changed) in (
                    {citizen_id} if changed == citizen_id else {None, citizen_id}
                )
                if people.compact(changed) == citizen_id:
                    assert other == citizen_id[place] or other in "OIL"


def test_every_swap_of_neighbours_is_found() -> None:
    """Whichever two neighbours of an ID change places, the result is refused."""
    for _ in range(3_000):
        citizen_id = people.new_citizen_id()
        for place in range(12):
            first, second = citizen_id[place], citizen_id[place + 1]
            swapped = citizen_id[:place] + second + first + citizen_id[place + 2 :]
            assert first == second or not people.is_citizen_id(swapped)


def test_people_may_write_it_as_they_like() -> None:
    """Groups, blanks, lower case and misread letters all lead to the same ID."""
    citizen_id = people.new_citizen_id()
    printed = people.grouped(citizen_id)
    assert len(printed) == 16
    for written in (
        printed,
        printed.lower(),
        f"  {printed} ",
        printed.replace("-", " "),
        printed.replace("0", "o"),
    ):
        assert people.compact(written) == citizen_id
    assert people.compact(printed.replace("1", "l")) == citizen_id


def test_ids_do_not_repeat_or_follow_each_other() -> None:
    """Ten thousand IDs are all different, and use every character of the alphabet at every place."""
    made = {people.new_citizen_id() for _ in range(10_000)}
    assert len(made) == 10_000
    for place in range(12):
        assert {one[place] for one in made} == set(people.ALPHABET)


@given(st.text(max_size=80))
def test_no_text_breaks_the_reading_of_an_id(text: str) -> None:
    """Whatever is typed is either refused or an ID as stored."""
    found = people.compact(text)
    assert found is None or people.is_citizen_id(found)
