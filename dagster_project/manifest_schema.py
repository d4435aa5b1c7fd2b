"""What the JSON Schema of the manifest says against one: messages for people, slow to come by."""

# The annotations of jsonschema do too little.
# pyright: reportUnknownMemberType=false

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCHEMA_PATH = Path(__file__).parent / "manifest.schema.json"


def faults_by_schema(content: bytes) -> list[str]:
    """Return what the schema says against the bytes of a manifest."""
    # Imported here because it is slow to import and needed only for messages.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import relevance

    try:
        document: Any = json.loads(content)
    except ValueError as error:
        return [f"not JSON: {error}"]
    validator = Draft202012Validator(json.loads(SCHEMA_PATH.read_text(encoding="utf-8")))
    faults: list[str] = []
    for error in validator.iter_errors(document):
        closest = error
        while closest.context:
            closest = min(_of_meant_branch(closest.context), key=relevance)
        faults.append(f"{path_text(closest.absolute_path)}: {_shortened(closest.message)}")
    return faults


def _of_meant_branch(errors: Sequence[Any]) -> Sequence[Any]:
    """Of the errors of all branches of a union, return those of the branch whose kind was named."""
    others = {
        error.relative_schema_path[0]
        for error in errors
        if error.validator == "type" or (error.relative_path and error.relative_path[-1] == "kind")
    }
    return [error for error in errors if error.relative_schema_path[0] not in others] or errors


def path_text(path: Any) -> str:
    """Return the place of a fault as people write it: ``assets[3].key``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "(the whole file)"


def _shortened(message: str, limit: int = 300) -> str:
    return message if len(message) <= limit else f"{message[: limit // 2]} … {message[-limit // 2 :]}"
