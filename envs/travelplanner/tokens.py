"""How many tokens a text has, by estimate: tokenizers are a model's own, and most have to be downloaded."""

import re

LETTERS = 6
"""Letters that a token of a longer word has on average: so, tool results count 2 % more than with OpenAI's cl100k (−7 to +6 %)."""

_PIECE = re.compile(r" ?([^\W\d_]+)|\d{1,3}| ?[^\s\w]+|_+|\s+")


def count(text: str) -> int:
    """Tokens of a text: words by their length; three digits, a run of signs and a run of blanks each count as one."""
    return sum(-(-len(piece[1]) // LETTERS) if piece[1] else 1 for piece in _PIECE.finditer(text))
