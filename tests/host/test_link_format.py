"""The link format parser against what devices send (RFC 6690)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lwm2m_host.errors import FormatError
from lwm2m_host.formats.link import Link, parse
from lwm2m_host.registration.registration import ObjectLinks


def test_a_registration_payload() -> None:
    links = parse(b'</>;rt="oma.lwm2m";ct=110,</1/0>,</3303>;ver=1.1,</3303/0>')
    assert links == [
        Link("/", {"rt": "oma.lwm2m", "ct": "110"}),
        Link("/1/0"),
        Link("/3303", {"ver": "1.1"}),
        Link("/3303/0"),
    ]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("", []),
        (" \r\n", []),
        ("</a,b>", [Link("/a,b")]),
        ('</a>;title="x,</b>;y"', [Link("/a", {"title": "x,</b>;y"})]),
        (r'</a>;title="say \"hi\\"', [Link("/a", {"title": 'say "hi\\'})]),
        ("</a>;obs,</b>", [Link("/a", {"obs": None}), Link("/b")]),
        ("</a>;obs;ct=0", [Link("/a", {"obs": None, "ct": "0"})]),
        ("</a> ; ct = 5 , </b>", [Link("/a", {"ct": "5"}), Link("/b")]),
        ("</a>,\n  </b>", [Link("/a"), Link("/b")]),
        ("</a>;;ct=1;,,</b>,", [Link("/a", {"ct": "1"}), Link("/b")]),
        ("</a>;ct=1;ct=2", [Link("/a", {"ct": "1"})]),
        ('</a>;ct=""', [Link("/a", {"ct": ""})]),
        ("</a>;ct=", [Link("/a", {"ct": ""})]),
        ("</grün>", [Link("/grün")]),
    ],
)
def test_odd_but_legal_input(text: str, links: list[Link]) -> None:
    assert parse(text) == links


@pytest.mark.parametrize(
    "text", ["</a", "a", "</a>b", '</a>;t="x', "</a>;=5", "</a></b>", '</a>;t="x"y', '</a>;t="\\']
)
def test_malformed_links_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse(text)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(FormatError):
        parse(b"</\xff>")


@given(st.binary(max_size=50))
def test_any_bytes_give_links_or_a_format_error(payload: bytes) -> None:
    with contextlib.suppress(FormatError):
        parse(payload)


@given(st.text('<>;,="\\ /a1', max_size=40))
def test_any_text_of_link_characters_gives_links_or_a_format_error(text: str) -> None:
    with contextlib.suppress(FormatError):
        ObjectLinks.of(parse(text))


_NAMES = st.text("abcdefgh", min_size=1, max_size=6)


@given(
    st.lists(
        st.builds(
            Link,
            st.text("abc/019,;", max_size=12),
            st.dictionaries(_NAMES, st.none() | st.text(max_size=12)),
        ),
        max_size=5,
    )
)
def test_links_that_we_print_parse_to_the_same(links: list[Link]) -> None:
    assert parse(",".join(map(str, links))) == links


def test_numbers_of_an_attribute() -> None:
    [link] = parse('</>;ct="110 112 x";sz=5')
    assert link.numbers("ct") == [110, 112]
    assert link.numbers("sz") == [5]
    assert link.numbers("rt") == []


def test_objects_instances_and_versions_are_understood() -> None:
    links = ObjectLinks.of(
        parse('</>;rt="oma.lwm2m";ct="112 11542",</3303>;ver=1.1,</3303/2>,</3303/0>,</5>,</x/1>')
    )
    assert links.formats == (112, 11542)
    assert links.root == ()
    assert {oid: (item.version, item.instances) for oid, item in links.objects.items()} == {
        5: (None, ()),
        3303: ("1.1", (0, 2)),
    }


def test_an_alternate_root_is_taken_off() -> None:
    links = ObjectLinks.of(parse('</a/b>;rt="x oma.lwm2m",</a/b/3/0>,</7/0>'))
    assert links.root == ("a", "b")
    assert list(links.objects) == [3, 7]


@pytest.mark.parametrize("digits", ["¹", "٣", "1_0", "9" * 5000, "65536"])
def test_content_formats_that_are_no_numbers_are_skipped(digits: str) -> None:
    [link] = parse(f'</>;ct="60 {digits} 112"'.encode())
    assert link.numbers("ct") == [60, 112]
