"""English words that carry no content, negate, are opposites, or stand for numbers and dates."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILLERS = _words("""
    a an the is are was were be been being am do does did has have had of to in on at by for with from as and or that
    this these those it its there here so then than which who whom what when where how i you he she we they them his
    her our your their me my us will would can could may might shall should must if but also just very more most some
    any such into over under about up out let one
""")
NEGATIONS = _words("not never cannot neither nor without hardly no")
OPPOSITES = {
    "after": "before",
    "decrease": "increase",
    "decreased": "increased",
    "decreases": "increases",
    "disagree": "agree",
    "false": "true",
    "illegal": "legal",
    "impossible": "possible",
    "incorrect": "correct",
    "invalid": "valid",
    "less": "greater",
    "negative": "positive",
    "odd": "even",
    "smaller": "larger",
    "unequal": "equal",
    "unlikely": "likely",
    "unsafe": "safe",
    "wrong": "correct",
}
# Those of the opposites that are nothing but a negation.
PREFIXED = {
    "disagree": "not agree",
    "illegal": "not legal",
    "impossible": "not possible",
    "incorrect": "not correct",
    "invalid": "not valid",
    "unequal": "not equal",
    "unsafe": "not safe",
}
# Without "one", which is mostly a pronoun.
NUMBERS = {
    "zero": "0",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "thirteen": "13",
    "fourteen": "14",
    "fifteen": "15",
    "sixteen": "16",
    "seventeen": "17",
    "eighteen": "18",
    "nineteen": "19",
    "twenty": "20",
}
# Without "may", which is mostly a verb.
DATES = _words("""
    january february march april june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday
""")
