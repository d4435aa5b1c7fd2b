"""Secrets of the environment are found by name or by address, and hidden however they arrive."""

import json

import pytest

from dagster_project.redaction import REPLACEMENT, Redactor, StreamRedactor, find_secrets, looks_secret

SECRET = "s3cr3t-value/with+signs"


@pytest.mark.parametrize(
    "name",
    [
        "PGPASSWORD",
        "API_KEY",
        "APIKEY",
        "GITHUB_TOKEN",
        "DB_PWD",
        "AWS_SECRET_ACCESS_KEY",
        "my_password",
        "X_CREDENTIALS",
    ],
)
def test_names_that_say_secret_are_known(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["PWD", "OLDPWD", "HOME", "KEYBOARD", "MONKEY_BARS", "TOKENIZERS_PARALLELISM", "PATH", "COMPASS"]
)
def test_other_names_are_left_alone(name: str) -> None:
    assert not looks_secret(name)


def test_passwords_in_addresses_are_secrets_wherever_they_stand() -> None:
    environment = {"DATABASE_URL": "postgres://till:open-sesame@db:5432/shop", "HOOK": "https://ghp_token1234@host/x"}
    assert find_secrets(environment) == {"open-sesame", "ghp_token1234"}


def test_encoded_passwords_are_hidden_in_both_spellings() -> None:
    redactor = Redactor(find_secrets({"DATABASE_URL": "postgres://till:open%20sesame@db/shop"}))
    assert redactor.redact("open sesame, open%20sesame") == f"{REPLACEMENT}, {REPLACEMENT}"


@pytest.mark.parametrize(
    ("address", "spellings"),
    [
        ("postgres://u:$ecret=1-long@host/db", ["$ecret=1-long", "$ecret%3D1-long"]),
        ("postgres://u:p%40ss%2fw;rd^é@host/db", ["p%40ss%2fw%3Brd%5E%C3%A9", "p@ss/w;rd^é"]),
        ("postgres://host/db?password=que~ry%20s'ecret", ["que~ry%20s'ecret", "que%7Ery+s%27ecret", "que~ry s'ecret"]),
        ("postgres://host/db?sslmode=off&sslpassword=query+secret#end", ["query+secret", "query secret"]),
    ],
)
def test_passwords_are_hidden_as_an_address_that_is_written_again_spells_them(
    address: str, spellings: list[str]
) -> None:
    redactor = Redactor(find_secrets({"DATABASE_URL": address}))
    for spelling in spellings:
        assert redactor.redact(f"<{spelling}>") == f"<{REPLACEMENT}>"


def test_short_and_common_values_are_no_secrets() -> None:
    assert find_secrets({"USE_TOKEN": "false", "A_KEY": "dev", "B_PASSWORD": "", "C_SECRET": "disabled"}) == set()


def test_each_line_of_a_long_secret_is_hidden() -> None:
    redactor = Redactor(find_secrets({"PRIVATE_KEY": "-----BEGIN-----\nMIIabcdef\n-----END-----"}))
    assert redactor.redact("got MIIabcdef") == f"got {REPLACEMENT}"


def test_the_longest_secret_wins_so_that_no_rest_is_left() -> None:
    assert Redactor(["abcdef", "abcdefghi"]).redact("abcdefghi") == REPLACEMENT


def test_without_secrets_nothing_changes() -> None:
    redactor = Redactor([])
    assert redactor.redact("text") == "text"
    assert redactor.redact_bytes(b"bytes") == b"bytes"
    assert not redactor.touches(b"bytes")


def test_a_secret_that_json_escapes_is_hidden_in_raw_lines() -> None:
    secret = 'quote"and\\slash'
    redactor = Redactor([secret])
    line = json.dumps({"message": secret}).encode()
    assert redactor.touches(line)
    assert json.loads(redactor.redact_bytes(line)) == {"message": REPLACEMENT}


def test_names_that_the_protocol_needs_survive_a_secret_of_the_same_text() -> None:
    redactor = Redactor(["retail/orders"])
    params = {"asset_key": "retail/orders", "metadata": {"note": {"raw_value": "of retail/orders", "type": "text"}}}
    assert redactor.redact_tree(params) == {
        "asset_key": "retail/orders",
        "metadata": {"note": {"raw_value": f"of {REPLACEMENT}", "type": "text"}},
    }


@pytest.mark.parametrize("size", [1, 2, 5, 7, 64])
@pytest.mark.parametrize("limit", [8, 64, 65536])
def test_a_secret_cut_into_pieces_is_hidden(size: int, limit: int) -> None:
    stream = StreamRedactor(Redactor([SECRET]), max_held_bytes=limit)
    data = (f"first {SECRET} line\n" + "x" * 50 + SECRET + "y" * 50 + f"\nlast {SECRET}").encode()
    shown = b"".join(stream.feed(data[start : start + size]) for start in range(0, len(data), size)) + stream.finish()
    assert SECRET.encode() not in shown
    assert shown == data.replace(SECRET.encode(), REPLACEMENT.encode())


def test_bytes_that_are_no_text_pass_unchanged() -> None:
    stream = StreamRedactor(Redactor([SECRET]))
    assert stream.feed(b"\xff\x00\n") + stream.finish() == b"\xff\x00\n"


@pytest.mark.parametrize(
    ("secret", "spelling"),
    [
        ("open sesame/now+100%", "open%20sesame%2Fnow%2B100%25"),
        ("(wow!)*'é", "(wow!)*'%C3%A9"),
        ("(wow!)*'é", "%28wow%21%29%2A%27%C3%A9"),
        ("back\\slash", "back\\\\slash"),
        ("ghp_token_1234", "ghp\\_token\\_1234"),
        ("a|b`c*d_e[f]g<h>i&j\\k", "a\\|b\\`c\\*d\\_e\\[f\\]g\\<h\\>i\\&j\\\\k"),
    ],
    ids=["encodeURIComponent", "reserved in JavaScript", "percent", "inspect", "Markdown", "all of Markdown"],
)
def test_a_secret_is_hidden_in_each_spelling_and_also_where_json_escapes_that(secret: str, spelling: str) -> None:
    redactor = Redactor([secret])
    assert redactor.redact(f"a {spelling} b") == f"a {REPLACEMENT} b"
    assert redactor.redact_bytes(f"a {spelling} b".encode()) == f"a {REPLACEMENT} b".encode()
    for ensure_ascii in (True, False):
        line = json.dumps({"message": spelling}, ensure_ascii=ensure_ascii).encode()
        assert redactor.touches(line)
        assert json.loads(redactor.redact_bytes(line)) == {"message": REPLACEMENT}


def test_a_secret_that_is_no_text_is_hidden_and_hurts_nothing() -> None:
    redactor = Redactor([b"caf\xe9-secret".decode(errors="surrogateescape")])
    assert redactor.redact_bytes(b"a caf\xe9-secret b") == f"a {REPLACEMENT} b".encode()
    assert redactor.redact("a caf%E9-secret b") == f"a {REPLACEMENT} b"
