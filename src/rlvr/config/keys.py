"""The vocabulary in which the groups of `configs/` are declared: classes of annotated keys, each with a rule.

A declaration is never instantiated. Its annotations say what a key may hold: `int`, `float`, `bool`, `str`, `Any`, a
`Literal`, `list[...]`, `tuple[..., ...]`, `dict[str, ...]`, another declaration, or a union of these, `None` included.
"""

import inspect
import typing
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Rule:
    """What a key is and what its numbers may be.

    Attributes:
        line: What it is, in one line.
        unit: What its number counts.
        low: Smallest number allowed.
        above: Numbers must be larger than this.
        high: Largest number allowed.
        below: Numbers must be smaller than this.
        optional: Whether the key may be left out.
    """

    line: str
    unit: str = ""
    low: float | None = None
    above: float | None = None
    high: float | None = None
    below: float | None = None
    optional: bool = False


def key(
    line: str,
    *,
    unit: str = "",
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    optional: bool = False,
) -> Any:
    """Declare a key; the arguments are those of `Rule`. It returns `Any`, so that it stands behind any annotation."""
    return Rule(line, unit, low, above, high, below, optional)


class Group:
    """A group of keys.

    Attributes:
        forgiving: Whether keys that are not declared are accepted, unless the spelling is close to a declared one.
        unchecked: Further keys that are accepted unchecked: arguments of a library that its own documentation explains.
    """

    forgiving: ClassVar[bool] = False
    unchecked: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def keys(cls) -> dict[str, tuple[Any, Rule]]:
        """Annotation and rule of each key, those of the base classes first."""
        hints = typing.get_type_hints(cls)
        declared = {}
        for base in reversed(inspect.getmro(cls)):
            declared.update({name: rule for name, rule in vars(base).items() if isinstance(rule, Rule)})
        return {name: (hints[name], rule) for name, rule in declared.items()}


class Built(Group):
    """A group from which Hydra makes an object. `rlvr.config.targets` says which class's arguments it declares.

    Attributes:
        called_later: Whether some arguments come only when it is called, so that the YAML needs `_partial_: true`.
        called_with: Those arguments in order. A user's own function must take them.
        like: Full name of the base class or protocol that a user's own class must follow.
    """

    called_later: ClassVar[bool] = False
    called_with: ClassVar[tuple[str, ...]] = ()
    like: ClassVar[str] = ""
