r"""Brings a LaTeX answer into one spelling: the same mathematics is written the same way, and nothing is evaluated.

Arguments get their braces (`\frac12` is `\frac{1}{2}`), layout is removed, and what is not mathematics (words, units,
currency, percent and degree signs) is put between double quotes: `12"cm"^{2}`. So `\text{C}` differs from C.
"""

import re

from rlvr.verify.math.characters import in_latex
from rlvr.verify.math.commas import without_marked, without_spaced
from rlvr.verify.math.spelling import (
    COMMANDS,
    CONJUNCTIONS,
    FUNCTIONS,
    INFINITY,
    MATRICES,
    OPERATORS,
    SAID,
    SKIPPED,
    TEXT,
)
from rlvr.verify.math.units import BARE_UNITS

# Answers are short. A text that is longer or nested deeper is not read, so that it costs no time.
MAX_CHARACTERS = 2_000
MAX_DEPTH = 40

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|[0-9]+|[A-Za-z]+| +|.")
# What scripts that repackage data sets have left of `\frac\pi2`, `\sin x` and `\textbf{`.
_CUT_COMMAND = re.compile(r"\{\\\}\{([A-Za-z])\}")
_GLUED_COMMAND = re.compile(
    r"(sin|cos|tan|cot|sec|csc|ln|log|pi|theta|alpha|beta|gamma|delta|lambda|sigma|phi|omega|leq|geq|times)([A-Za-z])$"
)
_CUT_TEXT = ("normal", "bf", "rm")
_SEPARATOR = re.compile(r"\s*(?:,(?![0-9]{3})|\band\b|\bor\b)\s*")
_PHRASE = re.compile(r"\s*([-+]?[0-9][0-9.,:/]*(?=[ A-Za-z%]))?(.+)")  # a number at its beginning is not part of it
_GROUPS = re.compile(r"(?<![0-9.])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])")
QUOTE = '"'
ORDINALS = ("st", "nd", "rd", "th")
_IN_FORMULAS = tuple("+-*([{_0123456789")
_NAME_COMMAND = re.compile(r"\\(min|max) ")  # v_{max}
# A space counts in quotes, between digits, and where it ends a command.
_SPACE = re.compile(r'("[^"]*")|(\\[A-Za-z]+ )(?=[A-Za-z])|([0-9] )(?=[0-9])| ')


def clean(text: str) -> str:
    """The answer in one spelling; empty where it can't be an answer."""
    text = without_marked(in_latex(text))
    # Zero-width characters, and those that turn the direction of reading, have no place in an answer.
    if len(text) > MAX_CHARACTERS or not text.isprintable():
        return ""
    try:
        text = _Reader(_CUT_COMMAND.sub(r"\\\1", text)).until(None)
    except RecursionError:
        return ""
    text = re.sub('" +"', " ", text)  # words of one phrase
    text = without_spaced(text)
    text = _GROUPS.sub(lambda match: match[0].replace(" ", ""), text)
    text = _SPACE.sub(lambda match: match[1] or match[2] or match[3] or "", re.sub(" +", " ", text))
    return text.lstrip(" ,;:").rstrip(" .,;:")


class _Reader:
    """Reads tokens one after the other; each method returns the spelling of what it has read."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)[::-1]  # the next one is the last
        self._depth = 0
        self._in_matrix = False
        self._last = " "
        self._behind = ""

    def until(self, closing: str | None) -> str:
        """Everything up to `closing`, which is read too."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise RecursionError
        pieces = []
        while self._tokens and (token := self._tokens.pop()) != closing:
            pieces.append(self._spelled(token))
            self._last = (pieces[-1] or self._last)[-1]
            self._behind = pieces[-1].strip() or self._behind
        self._depth -= 1
        return "".join(pieces)

    def _spelled(self, token: str) -> str:
        if token[0] == "\\":
            return self._command(token[1:].rstrip("*") or "*")
        if token.isascii() and token.isalpha():
            return self._letters(token)
        if token in "^_":
            return self._script(token)
        if token == "{":
            return self.until("}")
        return {"}": "", "$": "", "%": '"%"', "~": " "}.get(token, token)

    def _command(self, name: str) -> str:
        if name in ("left", "right") and self._next_is("."):
            self._tokens.pop()
        if name in COMMANDS:
            return COMMANDS[name]
        if name in TEXT:
            return self._text()
        if name == "operatorname":
            return self._operator()
        if name in SKIPPED:
            self._argument()
            return ""
        if name.endswith(("frac", "binom")):
            return rf"\{'frac' if 'frac' in name else 'binom'}{{{self._argument()}}}{{{self._argument()}}}"
        if name in ("sqrt", "surd"):
            return self._root(whole_number=name == "surd")
        if name in ("begin", "end"):
            return self._environment(name)
        if not name.isalpha():
            # A line break that lost its second backslash: `\begin{pmatrix}4\-3\end{pmatrix}`.
            self._tokens.append(name)
            return r"\\" if self._in_matrix else " "
        if (glued := _GLUED_COMMAND.match(name)) and name not in FUNCTIONS:
            name = glued[1]
            self._tokens.append(glued[2])
        return self._with_arguments(name)

    def _operator(self) -> str:
        r"""The function that `\operatorname` names."""
        name = self._raw_argument()
        return f"\\{name} " if name in OPERATORS else rf"\operatorname{{{name}}}"

    def _with_arguments(self, name: str) -> str:
        """A command that is kept, and the groups that follow it, in their braces."""
        arguments = []
        while self._next_is("{"):
            self._tokens.pop()
            arguments.append(f"{{{self.until('}')}}}")
        return f"\\{name}" + ("".join(arguments) or " ")

    def _letters(self, token: str) -> str:
        """Quote a word. Letters that are not a word stay as they are: a product."""
        if token in FUNCTIONS:
            return self._root(whole_number=True) if token == "sqrt" else f"\\{token} "
        if token in INFINITY:
            return r"\infty "
        if token in CONJUNCTIONS:
            return ","
        if token in _CUT_TEXT and self._next_is("{"):
            return ""
        name = token.lower()
        known = not self._last.isalpha() and (self._is_said(name) or (name in BARE_UNITS and self._is_unit()))
        word = known or (len(token) >= 4 and not self._last.isdigit())
        return f'"{token}"' if word else token

    def _is_said(self, name: str) -> bool:
        """Whether letters such as NO are a word: here NO is no, but in AN = NO it names two points."""
        return name in SAID and self._depth == 1 and not self._next_is("=") and self._behind != "="

    def _is_unit(self) -> bool:
        """Whether letters mean a unit. They do behind a value and outside formulas: 2mg+k and x mg are products."""
        after = next((token for token in reversed(self._tokens) if not token.isspace()), "")
        value = self._behind[:1] == "\\" or self._behind[-1:].isdigit() or self._behind[-1:] in ("}", ")", QUOTE, ".")
        return self._depth == 1 and value and after[:1] not in _IN_FORMULAS and after[1:] not in FUNCTIONS

    def _script(self, mark: str) -> str:
        argument = self._argument(whole_number=True)
        if mark == "^" and argument.strip() in (r"\circ", "o"):
            return '"°"'
        if argument.strip("'") == "" or argument.strip(QUOTE) in ORDINALS:  # f^{\prime}, 5^{\text{th}}
            return argument if "'" in argument else f'"{argument.strip(QUOTE)}"' * bool(argument)
        return f"{mark}{{{_NAME_COMMAND.sub(_in_letters, argument).replace(QUOTE, '')}}}"

    def _argument(self, whole_number: bool = False) -> str:
        """The argument of a command: a group, a command or one character; after ^ and _ also a number and its sign."""
        self._skip_spaces()
        if not self._tokens:
            return ""
        token = self._tokens.pop()
        if token == "{":
            return self.until("}")
        if token == "-" and whole_number:
            return "-" + self._argument(whole_number)
        if token[0] == "\\":
            self._tokens.append(token)
            return self._one_token()
        if len(token) > 1 and not (whole_number and token.isdigit()):
            self._tokens.append(token[1:])
            token = token[0]
        return token

    def _one_token(self) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise RecursionError
        spelled = self._spelled(self._tokens.pop())
        self._depth -= 1
        return spelled

    def _root(self, whole_number: bool = False) -> str:
        r"""\sqrt 23 is the root of 2, times 3; √23 and sqrt 23 are the root of 23."""
        self._skip_spaces()
        degree = ""
        if self._next_is("["):
            self._tokens.pop()
            degree = f"[{self.until(']')}]"
        if self._next_is("("):
            self._tokens.pop()
            return rf"\sqrt{degree}{{{self.until(')')}}}"
        argument = self._argument(whole_number)
        if whole_number and argument.isdigit() and self._next_is("."):
            argument += self._tokens.pop() + self._argument(whole_number)
        return rf"\sqrt{degree}{{{argument}}}"

    def _text(self) -> str:
        """Words in quotes. A comma, `and` and `or` separate answers between words too."""
        words = self._raw_argument()
        if words in OPERATORS:
            return f"\\{words} "
        return ",".join(_PHRASE.sub(_quoted, part) for part in _SEPARATOR.split(words))

    def _environment(self, name: str) -> str:
        kind = self._raw_argument()
        self._in_matrix = name == "begin" and kind in MATRICES
        if kind == "array" and name == "begin":
            self._raw_argument()  # the description of its columns
        return rf"\{name}{{{'matrix' if kind in MATRICES else kind}}}"

    def _raw_argument(self) -> str:
        """A group's text without commands, braces and dollar signs."""
        self._skip_spaces()
        depth, pieces = 0, []
        while self._tokens:
            token = self._tokens.pop()
            depth += (token == "{") - (token == "}")
            if token[0] == "\\" or token == "~":
                pieces.append(" ")
            elif token not in "{}$":
                pieces.append(token)
            if depth <= 0:
                break
        return "".join(pieces).strip()

    def _skip_spaces(self) -> None:
        while self._tokens and self._tokens[-1].isspace():
            self._tokens.pop()

    def _next_is(self, token: str) -> bool:
        return bool(self._tokens) and self._tokens[-1] == token


def _in_letters(command: re.Match[str]) -> str:
    return command[1]


def _quoted(phrase: re.Match[str]) -> str:
    """The words in quotes; a number in front of them stays outside."""
    number, words = phrase[1] or "", phrase[2].strip()
    if words == "%":
        return f'{number}"%"'
    return f'{number}"{words}"' if re.search("[A-Za-z]", words) and words not in ("e", "i", "d") else phrase[0]
