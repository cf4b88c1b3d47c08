"""Reads what may stand with a number and not change what it says: units, currency, nouns. Some words do change it."""

import re
from collections import Counter
from fractions import Fraction

# Each group is one unit. The first of its names is the one that is used.
_MEASURES = """
cm centimeter centimetre | mm millimeter millimetre | m meter metre | km kilometer kilometre | nm nanometer
um micrometer micron | in inch inche | ft foot feet | yd yds yard | mi mile | pc parsec | ly
mg milligram | g gram gm | kg kilogram | lb lbs pound | oz ounce | ton tonne
s sec second | ms millisecond | ns nanosecond | us microsecond | min minute | h hr hrs hour | day | week wk | month
yr year | l liter litre | ml milliliter millilitre | gal gallon | qt quart | pint | acre | hectare
n newton | j joule | kj kilojoule | ev electronvolt | kev | mev | gev | erg | cal calorie | kcal kilocalorie
w watt | kw kilowatt | hp horsepower | pa pascal | kpa kilopascal | atm atmosphere | hz hertz | khz kilohertz
v volt | ohm | c coulomb celsius | f farad fahrenheit | k kelvin | mol mole | rad radian | deg degree °
% percent pct | $ dollar usd | ¢ cent | € euro eur | £ gbp | rs rupee | am | pm
"""
_GROUPS = [group.split() for group in re.split(r"[|\n]", _MEASURES) if group]
_UNITS = {word: group[0] for group in _GROUPS for word in group}
_COMPOUND = {"mph": {"mi": 1, "h": -1}, "kph": {"km": 1, "h": -1}, "kmh": {"km": 1, "h": -1}}
CURRENCIES = {"$", "¢", "€", "£", "rs"}
_POWERS = {"sq": 2, "square": 2, "cu": 3, "cubic": 3, "squared": 2, "cubed": 3}
_WHOLE_SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}
_PARTS = "halve=2 third=3 fourth=4 fifth=5 sixth=6 seventh=7 eighth=8 ninth=9 tenth=10 hundredth=100 thousandth=1000"
_SCALES = {name: Fraction(scale) for name, scale in _WHOLE_SCALES.items()} | {
    name: Fraction(1, int(parts)) for name, _, parts in (part.partition("=") for part in _PARTS.split())
}
_SCALES |= {f"{name}th": 1 / _SCALES[name] for name in ("million", "billion", "trillion")}
_NOTHING = {"unit", "total", "th", "st", "nd", "rd"}
# With one of these words, a text says more than what is counted.
_NO_NOUN = set(
    re.findall(
        "[a-z]+",
        """
not no nor non never isn if is are was be than then least most more less fewer over under above below between except
when where for with without any every mod modulo remainder r to from by plus minus half quarter none but wrong
false incorrect base while until since all
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty thirty forty fifty sixty seventy eighty ninety
negative negated positive opposite reciprocal inverse inverted factorial double doubled triple tripled quadruple
quadrupled halved multiplied divided added subtracted raised power root log ln logarithm exponent conjugate
""",
    )
)
MAX_WORDS = 4

# Units that count as such without `\text`. A single letter is a variable, and so might "in" be.
_NEED_TEXT = ("in", "us", "rs", "ly")
BARE_UNITS = {word for word in _UNITS if len(word) > 1 and word not in _NEED_TEXT} | {"th", "st", "nd", "rd"}
BARE_UNITS |= {f"{word}s" for word in BARE_UNITS} | set(_COMPOUND)

_PIECE = re.compile(r"[A-Za-z][A-Za-z.]*|[°%$¢€£]|\^\{?-?[0-9]\}?|(?<=[A-Za-z])[23](?![0-9])|/|[*() {}-]")


def unit_of(tail: str) -> tuple[str, Fraction] | None:
    """The unit that stands behind a number (or before it, as currency does), in one spelling.

    Args:
        tail: Words in quotes, as `clean` leaves them, and what stands between and behind them.

    Returns:
        The unit and the number's scale, ("$", 1000000) for `"million dollars"`; None where the tail says more.
    """
    tail = tail.replace('"', " ").replace("\\cdot", "*")
    pieces = _PIECE.findall(tail)
    if sum(map(len, pieces)) != len(tail):
        return None
    scale, sign, power, nouns, last = Fraction(1), 1, 1, 0, ""
    exponents: Counter[str] = Counter()
    for piece in pieces:
        word = _singular(piece.replace(".", ""))
        if piece in "*(){}- ":
            continue
        if piece == "/" or word == "per":
            sign = -1
        elif piece[0] == "^" or piece.isdigit():
            exponents[last] = sign * int(piece.strip("^{}"))
        elif word in ("squared", "cubed"):
            if last not in _UNITS:  # it is the number that is squared
                return None
            exponents[last] *= _POWERS[word]
        elif word in _POWERS:
            power = _POWERS[word]
        elif word in _SCALES:
            scale *= _SCALES[word]
        elif word not in _NOTHING:
            nouns += word not in _UNITS
            if {word, piece.lower()} & _NO_NOUN or nouns > MAX_WORDS or (len(word) == 1 and word not in _UNITS):
                return None
            last = _UNITS.get(word, word)
            exponents.update({name: sign * n for name, n in _COMPOUND.get(word, {last: power}).items()})
            power = 1
    return " ".join(name if n == 1 else f"{name}^{n}" for name, n in sorted(exponents.items()) if name and n), scale


def _singular(word: str) -> str:
    if word[:1] == "M" and len(word) in (2, 3):
        return "M" + word[1:].lower()  # MeV isn't meV
    word = word.lower()
    known = word in _UNITS or word in _SCALES or len(word) < 4
    return word if known else word.removesuffix("s")
