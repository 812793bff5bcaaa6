"""What the user may have meant."""

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a sentence with the name that is nearest to what was written, after a blank; '' if none is near.

    given: what was written; known: the names there are.
    """
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(given.lower(), names, 1)
    return f" Did you mean {names[near[0]]!r}?" if near else ""
