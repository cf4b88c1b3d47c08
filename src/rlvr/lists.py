"""Lists that data sets keep as a text."""

import ast
from typing import Any


def written_list(text: str) -> list[Any]:
    """The items of a list of texts as Python writes it; none where the text is no such list."""
    if not text.strip().startswith(("['", '["')):
        return []
    try:
        items = ast.literal_eval(text.strip())
    except (SyntaxError, ValueError):
        return []
    return items if isinstance(items, list) else []
