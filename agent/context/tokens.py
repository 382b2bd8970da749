"""How long a text is for a language model, counted without the tokenizer of any.

Owns the count and the room that is left of a limit.
"""

from __future__ import annotations

BYTES_A_TOKEN = 3


def tokens(text: str) -> int:
    """A count that is meant to be too high: one token for every three bytes of UTF-8, begun ones included.

    The byte-pair encodings of present models make 3.5 to 4.5 bytes a token of English and of Python, and
    about 3 of other scripts. Only text that is no language, such as long rows of digits, takes more.
    """
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)


class Room:
    """Tokens that are left of a limit. What is taken is never given back."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, text: str) -> bool:
        """Whether `text` fits; if it does, its tokens are gone."""
        needed = tokens(text)
        if needed > self.left:
            return False
        self.left -= needed
        return True
