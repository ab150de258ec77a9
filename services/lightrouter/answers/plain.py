"""One spelling for characters with several: digits, dashes, quotes and spaces of any script, and TeX."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from lightrouter.runtime.text import normalized

_SPELLINGS: Final = {
    # Hyphens, the en dash and the minus sign stand before numbers alike; the em dash only stands between words.
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\u207b\ufe63\uff0d"), "-"),
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u2032\uff07\u2039\u203a\u201a\u201b"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u2033\u00ab\u00bb\u300c\u300d\u300e\u300f\uff02"), '"'),
    **dict.fromkeys(map(ord, "\u00b7\u22c5\u2715\u2a2f"), "\u00d7"),
    **dict.fromkeys(map(ord, "\u2044\u2215"), "/"),
    **dict.fromkeys(map(ord, "\u2a7d\u2266"), "\u2264"),
    **dict.fromkeys(map(ord, "\u2a7e\u2267"), "\u2265"),
    # A joiner makes one sign of several.
    0x200D: "\u200d",
    0x066A: "%",
    0x066B: ".",
    0x066C: ",",
}
_SUPERSCRIPTS: Final = re.compile("[\u207a\u207b\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")
_RAISED: Final = str.maketrans(
    "\u207a\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "+-0123456789"
)
# Full-width and half-width forms, circled letters, letters of formulas, Roman numerals and degrees in one character are
# other forms of ordinary letters and signs.
_CLOTHED: Final = re.compile("[\u2103\u2109\u2160-\u217f\u2460-\u24ff\uff01-\uff9f\uffe0-\uffe6\U0001d400-\U0001d7ff]")
_TEX_FRACTION: Final = re.compile(r"\\[dtc]?frac\s*(?:\{([^{}]{1,64})\}|(\w))\s*(?:\{([^{}]{1,64})\}|(\w))")
_TEX_WRAPPER: Final = re.compile(
    r"\\(?:text(?:bf|it|rm|tt|sf|sc)?|math(?:bf|rm|it|sf|tt|cal|bb)|boldsymbol|bm|mbox|emph|underline|operatorname)\s*\{([^{}]*)\}"
)
# A dollar sign is TeX's unless letters stand around the amount: A$5, $5M, $5 bn. These may be TeX's, too, if a second
# sign ends a formula: $2T + 5$. A choice: few formulas in a sentence have more characters.
_TEX_NOTHING: Final = re.compile(
    r"\\(?:(?:left|right|displaystyle)(?![A-Za-z])|[()\[\]])"
    r"|(?<![\\A-Z])\$(?!-?\d[\d.,]{0,16}(?:bn|[KMBkmb]|(?:T|\s[KMBTkmb]|\s?(?:MM|[Mm]n|[Tt]r?n|bln))(?![^$\n]{0,80}\$(?!\d)))(?![\w$]))"
    r"|(?<=[A-Z])\$(?!\d)"
)
# Not after a backslash: two of them end a row.
_TEX_SPACE: Final = re.compile(r"(?<!\\)\\(?:[,;: ]|quad\b|qquad\b|enspace\b|thinspace\b)|~")
_TEX_COMMA: Final = re.compile(r"(?:\\text)?\{([,.])\}")
_TEX_NARROW: Final = re.compile(r"\\!(?:(?<=,\\!)\s(?=\d{3}))?")
_TEX_TIMES: Final = re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])\s*")
_TEX_RAISED: Final = re.compile(r"\^\s*\{\s*([^{}\s]|-?\d+|\d+[-+])\s*\}")
_TEX_DEGREE: Final = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|\\degree(?![A-Za-z])")
_TEX_ROOT: Final = re.compile(r"\\sqrt\s*(?:\{([^{}]{1,64})\}|(\w))")
# Signs, how ASCII writes them, and their names in TeX; what is a part of another one in ASCII stands behind it.
_SIGNS: Final = (
    ("\u21d4", "<=>", "Leftrightarrow iff"),
    ("\u2264", "<=", "le leq leqslant"),
    ("\u2265", ">=", "ge geq geqslant"),
    ("\u2260", "!=", "ne neq"),
    ("\u21d2", "=>", "Rightarrow implies"),
    ("\u00b1", "+/-", "pm"),
    ("\u2194", "<->", "leftrightarrow"),
    ("\u2192", "->", "to rightarrow"),
)
_TEX_SYMBOLS: Final = {name: sign for sign, _, names in _SIGNS for name in names.split()} | {
    "pi": "\u03c0", "infty": "\u221e", "lt": "<", "gt": ">", "mp": "\u2213",
    "div": "\u00f7", "leftarrow": "\u2190", "approx": "\u2248",
    "cup": "\u222a", "cap": "\u2229", "in": "\u2208", "notin": "\u2209", "subset": "\u2282", "supset": "\u2283",
    "subseteq": "\u2286", "supseteq": "\u2287", "emptyset": "\u2205", "varnothing": "\u2205", "forall": "\u2200",
    "exists": "\u2203", "langle": "\u27e8", "rangle": "\u27e9", "equiv": "\u2261", "angle": "\u2220", "sim": "~",
    "perp": "\u22a5", "parallel": "\u2225", "propto": "\u221d", "mapsto": "\u21a6", "partial": "\u2202",
    "land": "\u2227", "wedge": "\u2227", "lor": "\u2228", "vee": "\u2228", "neg": "\u00ac",
    "lnot": "\u00ac", "ldots": "...", "dots": "...", "cdots": "...",
    "alpha": "\u03b1", "beta": "\u03b2", "gamma": "\u03b3", "delta": "\u03b4", "epsilon": "\u03b5",
    "theta": "\u03b8", "lambda": "\u03bb", "mu": "\u03bc", "rho": "\u03c1", "sigma": "\u03c3",
    "tau": "\u03c4", "phi": "\u03c6", "omega": "\u03c9", "Gamma": "\u0393", "Delta": "\u0394", "Theta": "\u0398",
    "Lambda": "\u039b", "Pi": "\u03a0", "Sigma": "\u03a3", "Phi": "\u03a6", "Psi": "\u03a8", "Omega": "\u03a9",
    **{name: name for name in (
        "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "ln", "log",
        "exp", "lim", "max", "min", "gcd", "det", "deg",
    )},
}  # fmt: skip
_TEX_SYMBOL: Final = re.compile(r"\\([A-Za-z]+)(\s?)")
# An expression that needs brackets above or below a fraction line.
_COMPOUND: Final = re.compile(r".[-+*/\u00d7\u00f7\u00b1]", re.DOTALL)
_SIMPLE: Final = re.compile(r"-?\d+(?:\.\d+)?|\w|\([^()]*\)|\u221a\d+")
_TEX_ESCAPED: Final = re.compile(r"\\([$%&#_{}])")


class _Spelling(dict[int, str]):
    """The one spelling of each character, computed at its first use."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if kind == "Nd":
            spelt = str(unicodedata.decimal(character))
        elif kind == "Zs":
            spelt = " "
        elif kind == "Cf":
            spelt = ""
        elif kind == "No" and "\u2044" in unicodedata.normalize("NFKC", character):
            # A space keeps 2 and a half apart.
            spelt = " " + unicodedata.normalize("NFKC", character).replace("\u2044", "/")
        elif unicodedata.decomposition(character).startswith(("<font>", "<square>")):
            # Letters of formulas and in boxes, and units in one sign; of a square metre the raised 2 is kept.
            codes = unicodedata.decomposition(character).split()[1:]
            spelt = unraised("".join(chr(int(code, 16)) for code in codes))
        elif "NEGATIVE " in (name := unicodedata.name(character, "")) and " LATIN CAPITAL LETTER " in name:
            spelt = name[-1]
        else:
            spelt = character
        self[code] = spelt
        return spelt


_spelling: Final = _Spelling(_SPELLINGS)


def plain(text: str) -> str:
    """Returns `text` with composed letters, ASCII digits, one kind of minus, quote and space, and nothing invisible.

    Full-width, circled and bold letters become plain letters; raised characters follow a ^; ½ becomes 1/2.
    """
    if text.isascii():
        return text
    text = _CLOTHED.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return normalized("NFC", unraised(text)).translate(_spelling)


def signed(text: str) -> str:
    """Returns `text` with one character for each sign that ASCII writes with several: <= is ≤."""
    for sign, ascii_form, _ in _SIGNS:
        text = text.replace(ascii_form, sign)
    return text


def unraised(text: str) -> str:
    """Returns `text` with raised digits and signs behind a ^: x² is x^2."""
    return _SUPERSCRIPTS.sub(lambda found: "^" + found[0].translate(_RAISED), text)


def without_tex(text: str) -> str:
    r"""Returns `text` without TeX markup: `\text{B}` is B, `\frac{1}{2}` is 1/2, `$x$` is x.

    A group of digits keeps its comma (`9{,}500`), and an escaped sign itself (`\$`, `\%`).
    """
    if "\\" not in text and "$" not in text and "{" not in text:
        return text
    # A space of negative width, as in 1,\!234.
    text = _TEX_COMMA.sub(r"\1", _TEX_NARROW.sub("", text))
    text = _TEX_SPACE.sub(" ", text)
    text = _TEX_TIMES.sub("\u00d7 ", text)
    text = _TEX_DEGREE.sub("\u00b0", text)
    text = _TEX_SYMBOL.sub(_symbol, text)
    # Wrappers are nested, seldom more than two deep.
    for _ in range(3):
        text = _TEX_WRAPPER.sub(r"\1", text)
    text = _TEX_RAISED.sub(r"^\1", text)
    text = _TEX_ROOT.sub(lambda found: "\u221a" + _enclosed(found[1] or found[2], product=True), text)
    text = _TEX_FRACTION.sub(_fraction, text)
    text = _TEX_NOTHING.sub("", text)
    return _TEX_ESCAPED.sub(r"\1", text)


def _symbol(found: re.Match[str]) -> str:
    symbol = _TEX_SYMBOLS.get(found[1])
    if symbol != found[1]:
        return found[0] if symbol is None else symbol
    # A function is a word, before and behind which a space counts.
    parted = found.string[max(0, found.start() - 1) : found.start()].isalnum()
    return f"{' ' if parted else ''}{symbol}{found[2]}"


def _enclosed(text: str, *, product: bool = False) -> str:
    """Returns an expression with the brackets that it needs; a product like 2x needs them below a line."""
    simple = _SIMPLE.fullmatch(text.strip()) if product else not _COMPOUND.search(text.strip())
    return text if simple else f"({text})"


def _fraction(found: re.Match[str]) -> str:
    above, below = _enclosed(found[1] or found[2]), _enclosed(found[3] or found[4], product=True)
    whole = found.string[: found.start()].rstrip()[-1:].isdigit()
    return f"{' ' if whole else ''}{above}/{below}"
