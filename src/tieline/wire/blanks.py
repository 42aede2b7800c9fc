"""Text that consists of white space only."""

# Unicode's White_Space.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    "\u202f\u205f\u3000"
)


def is_blank(text: str) -> bool:
    r"""True for text that is empty or all white space.

    >>> is_blank("\u3000 \n"), is_blank(""), is_blank("\u200b")
    (True, True, False)
    """
    return not text.strip(WHITE_SPACE)
