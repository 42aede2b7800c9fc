"""`tieline token`: the keys that sign access tokens."""

from cyclopts import App

from tieline.cli.terminal import Options, answer, registry, say
from tieline.store import signing_keys

token_app = App(name="token", help="Access tokens: the keys that sign them.")


@token_app.command(name="rotate-key")
def rotate_key(*, options: Options | None = None) -> None:
    """Sign access tokens with a new key from now on; tokens of the old key are valid until they expire."""
    with registry(options) as conn:
        made, retired = signing_keys.rotate(conn)
    answer(f"Made the signing key {made} and retired {retired}.")
    say("Running servers sign with it within a minute. Tokens of a retired key are valid until they expire.")
