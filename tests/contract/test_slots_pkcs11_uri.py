"""PKCS#11 URIs: the examples of RFC 7512, section 3, and what a slot's URI may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld_slots.pkcs11.uri import attributes, parse
from unheld_verify.errors import BadInputError

RFC: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("pkcs11:", {}, {}),
    ("pkcs11:object=my-pubkey;type=public", {"object": "my-pubkey", "type": "public"}, {}),
    (
        "pkcs11:object=my-key;type=private?pin-source=file:/etc/token",
        {"object": "my-key", "type": "private"},
        {"pin-source": "file:/etc/token"},
    ),
    (
        (
            "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;"
            "object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin"
        ),
        {
            "token": "The Software PKCS#11 Softtoken",
            "manufacturer": "Snake Oil, Inc.",
            "model": "1.0",
            "object": "my-certificate",
            "type": "cert",
            "id": "\x69\x95\x3e\x5c\xf4\xbd\xec\x91",
            "serial": "",
        },
        {"pin-source": "file:/etc/token_pin"},
    ),
    (
        "pkcs11:object=my-sign-key;type=private?module-name=mypkcs11",
        {"object": "my-sign-key", "type": "private"},
        {"module-name": "mypkcs11"},
    ),
    (
        "pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1",
        {"object": "my-sign-key", "type": "private"},
        {"module-path": "/mnt/libmypkcs11.so.1"},
    ),
    (
        "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.?pin-value=the-pin",
        {"token": "Software PKCS#11 softtoken", "manufacturer": "Snake Oil, Inc."},
        {"pin-value": "the-pin"},
    ),
    ("pkcs11:slot-description=Sun%20Metaslot", {"slot-description": "Sun Metaslot"}, {}),
    (
        "pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
        {
            "token": "My token% created by Joe",
            "library-version": "3",
            "id": "\x01\x02\x03\xba\xdd\xca\xfe\x04\x05\x06",
        },
        {},
    ),
    (
        "pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate;type=cert",
        {"token": "A name with a substring %;", "object": "my-certificate", "type": "cert"},
        {},
    ),
    (
        "pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;object=my-certificate;type=cert",
        {"token": "Name with a small A with acute: \u00e1", "object": "my-certificate", "type": "cert"},
        {},
    ),
    (
        (
            "pkcs11:token=my-token;object=my-certificate;type=cert;vendor-aaa=value-a"
            "?pin-source=file:/etc/token_pin&vendor-bbb=value-b"
        ),
        {"token": "my-token", "object": "my-certificate", "type": "cert", "vendor-aaa": "value-a"},
        {"pin-source": "file:/etc/token_pin", "vendor-bbb": "value-b"},
    ),
]
GOOD = "pkcs11:token=t;object=root?module-path=/usr/lib/m.so"


@pytest.mark.parametrize(("uri", "path", "query"), RFC)
def test_the_examples_of_the_standard_are_read(uri: str, path: dict[str, str], query: dict[str, str]) -> None:
    """Each attribute of RFC 7512's examples, decoded."""
    assert attributes(uri) == (path, query)


@pytest.mark.parametrize("uri", [uri for uri, _, _ in RFC])
def test_the_examples_of_the_standard_name_no_slot(uri: str) -> None:
    """A URI that is valid but does not name one slot, or says more than is used here, is refused."""
    with pytest.raises(BadInputError):
        parse(uri)


def test_a_slot_is_named_by_token_object_and_module() -> None:
    """Every attribute in use, in either order."""
    found = parse(
        "pkcs11:object=root;serial=0123;token=a%20b;model=m;manufacturer=x?pin-source=file:///etc/pin&module-path=/m%20n.so"
    )
    assert found.name == "root"
    assert found.token == {"token": "a b", "manufacturer": "x", "model": "m", "serial": "0123"}
    assert (found.module, found.pin_file) == (Path("/m n.so"), Path("/etc/pin"))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (GOOD + "&pin-value=31415", "UNHELD_PIN_COMMAND"),
        (GOOD + "&pin-source=|/usr/bin/print", "UNHELD_PIN_COMMAND"),
        (GOOD + "&pin-source=pin.txt", "full path"),
        (GOOD + "&pin-source=file:pin.txt", "full path"),
        (GOOD + "&pin-source=file://host/pin.txt", "full path"),
        (GOOD + "&module-path=/other.so", "repeats module-path"),
        (GOOD + "&module-name=m", "module-name"),
        ("pkcs11:token=t;token=u;object=root?module-path=/m.so", "repeats token"),
        ("pkcs11:object=root?module-path=/m.so", "which token"),
        ("pkcs11:token=t?module-path=/m.so", "object="),
        ("pkcs11:token=t;object=root", "module-path="),
        ("pkcs11:token=t;object=root?module-path=m.so", "absolute"),
        ("pkcs11:token=t;object=?module-path=/m.so", "1 to 48"),
        ("pkcs11:token=t;object=a%20b?module-path=/m.so", "1 to 48"),
        ("pkcs11:token=t;object=root;id=%01?module-path=/m.so", "id is not used"),
        ("pkcs11:token=t;object=root;type=secret-key?module-path=/m.so", "type is not used"),
        ("pkcs11:token=a b;object=root?module-path=/m.so", "NAME=VALUE"),
        ("pkcs11:token=%zz;object=root?module-path=/m.so", "NAME=VALUE"),
        ("pkcs11:token=%ff;object=root?module-path=/m.so", "UTF-8"),
        ("pkcs11:token=t;;object=root?module-path=/m.so", "NAME=VALUE"),
        ("pkcs12:token=t", "begins with pkcs11:"),
    ],
)
def test_a_uri_that_names_no_slot_says_why(uri: str, words: str) -> None:
    """Each refusal names the attribute and the mend, and never repeats a PIN."""
    with pytest.raises(BadInputError, match=words) as error:
        parse(uri)
    assert "31415" not in str(error.value)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever is given is read or refused with an error of this project."""
    try:
        found = parse(f"pkcs11:{text}")
    except BadInputError:
        return
    assert found.name
