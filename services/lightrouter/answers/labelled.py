"""Things that letters name, so that the letter is no choice: set A, team B, vitamin C, Gruppe A, точка B."""

from __future__ import annotations

import re
from typing import Final

# Not here: words for an option, like statement, and what the options of a question may be, like method or model, if the
# text calls it right.
_ENGLISH: Final = """
    set subset list array string column row cell box bag urn jar bin cup tank bucket pile deck drawer shelf
    team group player person worker employee student child patient participant customer agent user friend man woman
    company firm bank country state city town village region zone area district ward county province island planet
    building block tower room floor gate exit door terminal platform station track line lane road route street highway
    bus train car ship boat truck flight machine device computer server printer robot engine motor pump pipe valve
    product sample solution mixture compound substance liquid gas metal alloy element isotope atom ion molecule
    protein gene allele enzyme strain species cell virus influenza factor receptor antigen base acid
    point vertex node angle side edge corner triangle square rectangle polygon segment plane sphere cube graph
    process thread task job step stage phase level layer tier rank grade class category section chapter article clause
    paragraph page appendix annex exhibit schedule table figure fig diagram chart map
    event scenario case experiment trial test study variable parameter constant function vector matrix tensor
    theorem lemma axiom hypothesis assumption condition rule law
    program module package version unit series channel drive disk partition volume vol sector port bus pin
    league division conference school college faculty department branch office
    vitamin hepatitis plan type part schedule title item key
"""
_OTHERS: Final = """
    gruppe menge mannschaft klasse punkt ecke seite kreis firma land stadt person spieler vitamin gleis halle
    groupe ensemble équipe classe point sommet côté cercle entreprise pays ville vitamine boîte
    grupo conjunto equipo clase punto vértice lado empresa país ciudad vitamina caja
    gruppo insieme squadra classe lato città scatola
    equipe ponto cidade caixa turma
    множество группа команда точка вершина город страна витамин класс гепатит план тип коробка
"""
_TITLES: Final = r"(?:Dr|Mr|Mrs|Ms|Prof|St|Vol|Fig|Sec|Ch|Art|App)\."
_LABELLED: Final = re.compile(
    rf"(?:\b(?:{'|'.join({*_ENGLISH.split(), *_OTHERS.split()})})s?|\b{_TITLES}|\b(?:written|programm\w+|coded)\s+in"
    r")\s(?:of\s)?[(\"]?$",
    re.IGNORECASE,
)
# A choice: a longer word than any of these.
_MOST_BEFORE: Final = 24


def names_a_thing(text: str, begin: int) -> bool:
    """Tells whether the letter at `begin` stands behind a thing that letters name."""
    return _LABELLED.search(text, max(0, begin - _MOST_BEFORE), begin) is not None
