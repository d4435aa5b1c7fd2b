"""Keep the secrets of the environment out of messages, logs and metadata."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

REPLACEMENT = "[redacted]"
# Shorter values ("dev", "5432") would turn logs into confetti and are not worth guarding.
MIN_SECRET_LENGTH = 6

_SECRET_WORDS = frozenset(
    "PASSWORD PASSWD PASSPHRASE PASS PWD SECRET SECRETS TOKEN TOKENS KEY KEYS APIKEY CREDENTIAL CREDENTIALS".split()  # noqa: SIM905
)
_SECRET_ENDINGS = ("PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY")
_NOT_SECRET = frozenset(("true", "false", "none", "null", "enabled", "disabled", "default"))
_URL_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^\s/?#@]*(?:@[^\s/?#@]*)*)@")
_URL_OPTION = re.compile(r"[?&]([^\s=&#]+)=([^\s&#]+)")
# What runtime/redaction.ts escapes in Markdown.
_MARKDOWN = re.compile(r"[\\|`*_\[\]<>&]")
# Where a text of the Pipes protocol must arrive as it was sent: names, not contents.
_PROTOCOL_KEYS = frozenset(("asset_key", "check_name", "data_version", "level", "severity", "stream", "type"))


def looks_secret(name: str) -> bool:
    """Whether the name of an environment variable says that its value is a secret."""
    words = [word for word in name.upper().split("_") if word]
    if words in (["PWD"], ["OLDPWD"]):
        return False
    return any(word in _SECRET_WORDS for word in words) or name.upper().endswith(_SECRET_ENDINGS)


def find_secrets(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the texts to hide: values of secret-looking variables and options of URLs, and passwords in URLs."""
    found: set[str] = set()
    for name, value in environment.items():
        if looks_secret(name):
            found.add(value)
            found.update(value.splitlines())
        for userinfo in _URL_USERINFO.findall(value):
            user, colon, password = userinfo.partition(":")
            secret = password if colon else user
            found.update((secret, unquote(secret)))
        for option, secret in _URL_OPTION.findall(value) if "://" in value else ():
            if looks_secret(option):
                found.update((secret, unquote(secret), unquote_plus(secret)))
    stripped = {text.strip() for text in found}
    return frozenset(text for text in stripped if len(text) >= MIN_SECRET_LENGTH and text.lower() not in _NOT_SECRET)


def _spellings_of(secret: str) -> set[str]:
    """Return a secret as it is, and as URLs, JavaScript's ``inspect`` and Markdown escape it; each also inside JSON."""
    spellings = {
        secret,
        quote(secret, safe="", errors="surrogateescape"),
        # As encodeURIComponent does it.
        quote(secret, safe="!*'()", errors="surrogateescape"),
        # As a URL that is parsed and written again spells a password.
        quote(secret, safe="%!$&'()*+,", errors="surrogateescape"),
        # As URLSearchParams does it.
        quote_plus(secret, safe="*", errors="surrogateescape").replace("~", "%7E"),
        secret.replace("\\", "\\\\"),
        _MARKDOWN.sub(r"\\\g<0>", secret),
    }
    in_json = {json.dumps(text, ensure_ascii=ascii)[1:-1] for text in spellings for ascii in (True, False)}
    return spellings | in_json


def _encode(text: str) -> bytes:
    # A variable that is no UTF-8 arrives with surrogates in the place of its bytes.
    return text.encode(errors="surrogateescape")


class Redactor:
    """Replaces a set of secrets wherever they stand, also where something has escaped them on the way."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Take the secrets; the longest is replaced first, so that none leaves a rest of another."""
        spellings = {spelling for secret in secrets for spelling in _spellings_of(secret)}
        longest_first = sorted(spellings, key=lambda text: (-len(text), text))
        pattern = "|".join(re.escape(text) for text in longest_first)
        self._text = re.compile(pattern) if pattern else None
        self._bytes = re.compile(_encode(pattern)) if pattern else None
        self.longest = max((len(_encode(text)) for text in longest_first), default=0)

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        return self._text.sub(REPLACEMENT, text) if self._text else text

    def redact_bytes(self, data: bytes) -> bytes:
        """Return the bytes without secrets."""
        return self._bytes.sub(REPLACEMENT.encode(), data) if self._bytes else data

    def touches(self, data: bytes) -> bool:
        """Whether the bytes hold a secret."""
        return bool(self._bytes and self._bytes.search(data))

    def redact_tree(self, value: Any) -> Any:
        """Return a JSON value without secrets; names that the protocol needs stay as they are."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, list):
            return [self.redact_tree(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, dict):
            return {
                key if key in _PROTOCOL_KEYS else self.redact(str(key)): (  # pyright: ignore[reportUnknownArgumentType]
                    item if key in _PROTOCOL_KEYS and isinstance(item, str) else self.redact_tree(item)
                )
                for key, item in value.items()  # pyright: ignore[reportUnknownVariableType]
            }
        return value


class StreamRedactor:
    """Redacts a stream that arrives in pieces, so that a secret cut in two is still found."""

    def __init__(self, redactor: Redactor, max_held_bytes: int = 65536) -> None:
        """Hold back an unfinished line up to the limit; beyond it, only what could be the start of a secret."""
        self._redactor = redactor
        self._max_held_bytes = max_held_bytes
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take a piece; return what can be shown now."""
        self._held += data
        cut = self._held.rfind(b"\n") + 1
        if len(self._held) - cut > self._max_held_bytes:
            return self._redact_all_but(max(self._redactor.longest - 1, 0))
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._redactor.redact_bytes(ready)

    def finish(self) -> bytes:
        """Return the rest."""
        rest, self._held = self._held, b""
        return self._redactor.redact_bytes(rest)

    def _redact_all_but(self, kept: int) -> bytes:
        # Redacted first and cut afterwards: a whole secret that reaches into the kept end must not be cut.
        clean = self._redactor.redact_bytes(self._held)
        cut = max(len(clean) - kept, 0)
        self._held = clean[cut:]
        return clean[:cut]
