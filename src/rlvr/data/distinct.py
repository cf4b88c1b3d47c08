"""Draws different problems until there are enough, or until hardly any new one comes up."""

from collections.abc import Callable, Hashable, Iterable

from rlvr.errors import ConfigError

# The rarest problems come up once in millions of draws. After this many draws, a round with hardly any new problem is
# the last one.
PATIENCE = 20_000
SCARCE = 0.01


def distinct(
    draw: Callable[[int], Iterable[str]], key: Callable[[str], Hashable], wanted: int, setting: str, kind: str
) -> list[str]:
    """The first `wanted` names that are drawn, without those whose key has come before.

    Args:
        draw: Draws so many names, with repetitions.
        key: What two names that stand for one problem have in common.
        wanted: How many.
        setting: What to change where there are fewer, such as `data.numbers=2`.
        kind: What is drawn, such as `problems with targets of 10 to 99`.

    Raises:
        ConfigError: When there seem to be fewer.
    """
    names: dict[Hashable, str] = {}
    drawn, new = 0, wanted
    while len(names) < wanted:
        if drawn >= PATIENCE and new < SCARCE * wanted:
            raise ConfigError(
                f"{setting}: {drawn:,} draws gave {len(names):,} different {kind}, and data.train_size with "
                f"data.heldout_size want {wanted:,}; lower them, or raise {setting.partition('=')[0]}."
            )
        before = len(names)
        for name in draw(wanted):
            names.setdefault(key(name), name)
        drawn, new = drawn + wanted, len(names) - before
    return list(names.values())[:wanted]
