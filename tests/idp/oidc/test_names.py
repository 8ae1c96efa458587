"""Distinguished names say who a certificate is for: equal where the standards say so, and never for a near miss."""

import contextlib

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from idp.oidc import names
from idp.oidc.names import NameUnreadable
from tests import certificates

AGENCY = certificates.subject(
    (NameOID.COUNTRY_NAME, "GE"),
    (NameOID.ORGANIZATION_NAME, "შემოსავლების სამსახური"),
    (NameOID.COMMON_NAME, "revenue"),
)


def held(name: x509.Name) -> names.Name:
    """A name as it stands in a certificate, once through DER."""
    return names.of(certificates.make(name).certificate.subject)


def same(text: str, name: x509.Name) -> bool:
    """Tell whether a registered text is a certificate's name."""
    return names.parse(text) == held(name)


@pytest.mark.parametrize(
    "text",
    [
        "CN=revenue,O=შემოსავლების სამსახური,C=GE",
        "cn=Revenue, o=შემოსავლების  სამსახური , c=ge",
        "2.5.4.3=revenue,2.5.4.10=შემოსავლების სამსახური,2.5.4.6=GE",
        r"CN=r\65venue,O=\E1\83\A8ემოსავლების სამსახური,C=GE",
        "CN=#0c07726576656e7565,O=შემოსავლების სამსახური,C=#13024745",
        "CN=ｒｅｖｅｎｕｅ,O=შემოსავლების სამსახური,C=GE",
        "CN=revenue,O=ᲨᲔᲛᲝᲡᲐᲕᲚᲔᲑᲘᲡ ᲡᲐᲛᲡᲐᲮᲣᲠᲘ,C=GE",
    ],
)
def test_the_same_name_in_other_letters_is_the_same(text: str) -> None:
    """Case, blanks, escapes, dotted types, encoded values and width make no other name (RFC 4514; RFC 4518)."""
    assert same(text, AGENCY)


@pytest.mark.parametrize(
    "text",
    [
        "C=GE,O=შემოსავლების სამსახური,CN=revenue",  # the other way round
        "CN=revenue",
        "CN=revenue,O=შემოსავლების სამსახური",
        "CN=revenue,OU=x,O=შემოსავლების სამსახური,C=GE",
        "CN=revenue+O=შემოსავლების სამსახური,C=GE",
        "CN=revenue2,O=შემოსავლების სამსახური,C=GE",
        "CN=rеvenue,O=შემოსავლების სამსახური,C=GE",  # a Cyrillic е
        "CN=*,O=შემოსავლების სამსახური,C=GE",
        "OU=revenue,O=შემოსავლების სამსახური,C=GE",
    ],
)
def test_a_near_miss_is_another_name(text: str) -> None:
    """Order, number, grouping and type of the parts count, and letters that only look alike do not."""
    assert not same(text, AGENCY)


def test_the_parts_of_one_relative_name_have_no_order() -> None:
    """A multi-valued RDN is a set (X.501): its attributes are equal in any order, not in another grouping."""
    several = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "GE")]),
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, "revenue"),
                    x509.NameAttribute(NameOID.SERIAL_NUMBER, "7"),
                ]
            ),
        ]
    )
    assert same("CN=revenue+serialNumber=7,C=GE", several)
    assert same("2.5.4.5=7+CN=REVENUE,C=GE", several)
    assert not same("CN=revenue,serialNumber=7,C=GE", several)
    assert not same("CN=revenue,C=GE", several)


def test_separators_in_a_value_make_no_second_attribute() -> None:
    """The attack: a common name that spells out another name's parts."""
    trick = certificates.subject((NameOID.COMMON_NAME, "revenue,O=Revenue"))
    assert not same("CN=revenue,O=Revenue", trick)
    assert same(r"CN=revenue\,O\=Revenue", trick)


@pytest.mark.parametrize("hidden", ["\u200b", "\u202e", "\u00ad", "\x00", "\ue000"])
def test_what_is_not_shown_equals_nothing(hidden: str) -> None:
    """The attack: a name that looks like another, with a character in it that nobody sees."""
    with pytest.raises(NameUnreadable):
        held(certificates.subject((NameOID.COMMON_NAME, f"rev{hidden}enue")))
    with pytest.raises(NameUnreadable):
        names.parse(f"CN=rev{hidden}enue")


def test_types_that_are_not_known_keep_their_case() -> None:
    """How values of an unknown type compare is not known, so they are compared as they stand (RFC 5280, 7.1)."""
    rare = certificates.subject((x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), "Ab"))
    assert same("1.3.6.1.4.1.99999.1=Ab", rare)
    assert not same("1.3.6.1.4.1.99999.1=ab", rare)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "revenue",
        "CN=",
        "CN=a,",
        ",CN=a",
        "CN=a,,C=GE",
        "CN=a;C=GE",
        "CN=a+",
        'CN="a"',
        "CN=a\\",
        "CN=a\\zz",
        "CN=\\ff",
        "CN=#",
        "CN=#0c",
        "CN=#0c05",
        "CN=#0cff41",
        "CN=#020101",
        "NOPE=a",
        "1=a",
        "CN=" + "a" * 3000,
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    """A text that RFC 4514 does not allow, or that could be read in two ways, is refused."""
    with pytest.raises(NameUnreadable):
        names.parse(text)


@given(
    st.text(max_size=200)
    | st.text(st.sampled_from('CNO=,+;\\#"0c41 fa.\x00ჟ'), max_size=60).map("CN={}".format)
)
@example("CN=\ud800")
def test_any_text_is_a_name_or_a_refusal(text: str) -> None:
    """Whatever is registered, reading it gives a name or NameUnreadable, never another error."""
    with contextlib.suppress(NameUnreadable):
        assert names.parse(text)


@given(
    st.lists(
        st.tuples(
            st.sampled_from((NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.LOCALITY_NAME)),
            st.text(
                st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=20
            ).filter(str.strip),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_every_name_equals_what_it_is_written_as(pairs: list[tuple[x509.ObjectIdentifier, str]]) -> None:
    """Any name, written by another program as RFC 4514 says, is read as itself."""
    name = certificates.subject(*pairs)
    assert names.parse(name.rfc4514_string()) == names.of(name)
