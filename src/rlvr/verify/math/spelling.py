"""Tables that bring LaTeX commands and Unicode characters into the one spelling of `rlvr.verify.math.latex`."""

_words = str.split

CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("−–‐‑", "-"),
        **dict.fromkeys("\t\n\r\u00a0\u2002\u2003\u2009\u202f", " "),
        **dict.fromkeys('“”"`', ""),
        **{"’": "'", "′": "'", "×": r"\times ", "⋅": r"\cdot ", "·": r"\cdot ", "÷": "/", "±": r"\pm "},
        **{"°": r"^\circ ", "℃": r"^\circ C", "℉": r"^\circ F", "∛": r"\surd[3]", "∜": r"\surd[4]"},
        **{"√": r"\surd ", "∞": r"\infty ", "π": r"\pi ", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta "},
        **{"≤": r"\leq ", "≥": r"\geq ", "≠": r"\neq ", "≈": r"\approx ", "∈": r"\in ", "∪": r"\cup "},
        **{"∅": r"\emptyset ", "€": r"\euro ", "£": r"\pounds "},
    }
)

ASCII_SIGNS = {"<=": r"\leq ", ">=": r"\geq ", "==": "=", "!=": r"\neq ", "**": "^"}

# Runs of these are one exponent or index: ¹² is ^{12}.
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ", "0123456789+-()ni", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙᵢ", "0123456789+-()ni", strict=True))

# Commands whose argument is words, commands that are removed while their argument stays, and commands that are removed
# together with their argument.
TEXT = _words("text textrm textbf textit textsf texttt textsc textnormal textup textmd mbox hbox mathrm rm")
FONT = _words("mathbf mathit mathsf mathtt mathcal boldsymbol bm boxed fbox underline ensuremath bf it")
SKIPPED = _words("hspace vspace phantom hphantom color textcolor label tag")

_LAYOUT = _words(r"! ( ) [ ] displaystyle textstyle scriptstyle limits nolimits hfill Large large left right middle")
_LAYOUT += _words("bigl bigr Bigl Bigr biggl biggr Biggl Biggr big Big bigg Bigg cdotp")
_SPACES = [" ", *_words(", ; : > _ quad qquad thinspace medspace nobreakspace")]
COMMANDS = {
    **dict.fromkeys(FONT + _LAYOUT, ""),
    **dict.fromkeys(_SPACES, " "),
    **{"$": '"$"', "%": '"%"', "#": "#", "&": "&", "\\": r"\\", "{": r"\{", "}": r"\}", "|": "|"},
    **{"degree": '"°"', "textdegree": '"°"', "pounds": '"£"', "euro": '"€"', "colon": ":", "ratio": ":"},
    **{"le": r"\leq ", "leqslant": r"\leq ", "ge": r"\geq ", "geqslant": r"\geq "},
    **{"leqq": r"\leq ", "geqq": r"\geq "},
    **{"lt": "<", "gt": ">", "ne": r"\neq ", "mid": "|", "vert": "|", "lvert": "|", "rvert": "|"},
    **{"lbrace": r"\{", "rbrace": r"\}", "lbrack": "[", "rbrack": "]", "langle": "(", "rangle": ")"},
    **{"varnothing": r"\emptyset ", "backslash": r"\setminus ", "dots": r"\ldots ", "cdots": r"\ldots "},
    **{"prime": "'", "varphi": r"\phi ", "varepsilon": r"\epsilon "},
}
MATRICES = _words("pmatrix bmatrix Bmatrix smallmatrix array matrix")

FUNCTIONS = _words("sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan log ln exp sqrt gcd lcm min max")
FUNCTIONS += ["pi"]
OPERATORS = ("gcd", "lcm")  # which are written as words, too
CONJUNCTIONS = ("and", "or")
INFINITY = ("infty", "inf")
SAID = {"yes", "no"}  # words even without `\text`, though their letters are few
