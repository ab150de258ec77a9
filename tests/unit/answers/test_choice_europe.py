"""A chosen letter in languages of Europe."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import pytest

from lightrouter.answers.choices import answer_letter

TEXTS = {
    "B": [
        "Die Antwort ist B.", "Antwort: B", "Antwort B", "Antwort B ist richtig.", "Antwort (B)",
        "Die richtige Antwort ist B.", "Die richtige Antwort lautet B.",
        "Die richtige Antwort lautet: **B**", "Die korrekte Antwort ist (B)", "Richtig ist B.",
        "Richtig: B", "Richtige Antwort: B", "Korrekte Antwort: B", "Korrekt ist B", "Lösung: B",
        "Die Lösung ist B", "Die Lösung lautet B", "Option B ist richtig", "Option B ist korrekt.",
        "B ist richtig.", "B ist die richtige Antwort.", "B stimmt.", "B trifft zu.", "Ich wähle B.",
        "Ich nehme B", "Ich denke, B.", "Ich glaube, es ist B.", "Es ist B.", "Also B.",
        "Daher ist B richtig.", "Daher ist die richtige Antwort B.", "Somit ist Antwort B korrekt.",
        "Folglich B", "Endgültige Antwort: B", "Endantwort: B", "Meine Antwort ist B",
        "A ist falsch, B ist richtig.", "Nicht A, sondern B.", "A ist nicht richtig, also B", "Buchstabe B",
        "Auswahl: B", "Die Antwort ist A. Nein, B.", "Die Antwort ist A. Moment, B.", "La réponse est B.",
        "La réponse est (B).", "Réponse : B", "Réponse: B", "Réponse B", "Réponse : **B**",
        "**Réponse : B**", "La bonne réponse est B.", "La bonne réponse est la B.",
        "La bonne réponse est la réponse B.", "La bonne réponse est l'option B.",
        "La réponse correcte est la B", "La réponse exacte est B", "La bonne réponse : B",
        "Bonne réponse : B", "C'est B.", "C'est la B.", "C'est la réponse B.", "Je choisis B.",
        "Je choisis la réponse B.", "Je dirais B.", "Je pense que c'est B.", "B est correct.",
        "B est la bonne réponse.", "B est correcte", "B est juste", "L'option B est correcte.",
        "L'option B", "L'option correcte est B.", "Le bon choix est B.", "Choix B", "Donc B.",
        "Donc, la réponse est B.", "Par conséquent, la bonne réponse est B.", "Réponse finale : B",
        "La réponse finale est B.", "A est faux, B est vrai.", "Pas A mais B", "Ce n'est pas A, c'est B.",
        "La réponse n'est pas A mais B.", "La lettre B", "La réponse est A. Non, B.", "La respuesta es B.",
        "La respuesta es la B.", "La respuesta es (B).", "Respuesta: B", "**Respuesta:** B",
        "Respuesta correcta: B", "La respuesta correcta es la B.", "La respuesta correcta es la opción B.",
        "La respuesta correcta es la letra B", "La respuesta correcta es: **B) París**",
        "La opción correcta es B.", "La opción correcta es la B", "La opción B es correcta.",
        "La opción B es la correcta.", "Opción B", "Opción correcta: B", "La correcta es la B.", "Es la B.",
        "Es B.", "Elijo B.", "Elijo la opción B", "Escojo la B", "Yo elegiría B", "Creo que es B.",
        "B es la respuesta correcta.", "B es correcta", "B es la correcta.", "Por lo tanto, B.",
        "Por lo tanto, la respuesta es B.", "Por tanto, la respuesta correcta es la opción **B**.",
        "Respuesta final: B", "La solución es B", "Solución: B", "No es A, sino B.", "No es A, es B",
        "A es incorrecta; B es correcta.", "La alternativa correcta es B", "La respuesta es A. No, es B.",
        "A resposta é B.", "A resposta é (B)", "Resposta: B", "**Resposta: B**", "Resposta correta: B",
        "A resposta correta é B.", "A resposta correta é a B.", "A resposta correta é a letra B.",
        "A resposta correta é a opção B.", "A resposta correta é a alternativa B",
        "A alternativa correta é B.", "A alternativa correta é a letra B", "Alternativa B",
        "Alternativa correta: B", "A opção correta é B", "A opção B está correta.", "Opção B", "Letra B",
        "Letra B.", "Gabarito: B", "É B.", "Escolho B.", "Acho que é B.", "B está correta.",
        "B é a resposta correta.", "Portanto, a resposta é B.", "Portanto, B.", "Logo, B",
        "Resposta final: B", "Não é A, é B.", "Não é A, mas B.", "A está errada, B está certa",
        "La risposta è B.", "Risposta: B", "**Risposta:** B", "Risposta B", "La risposta corretta è B.",
        "La risposta corretta è la B.", "La risposta esatta è la B", "La risposta giusta è B",
        "Risposta corretta: B", "Risposta esatta: B", "L'opzione corretta è B.", "L'opzione B è corretta.",
        "Opzione B", "È la B.", "È B.", "Scelgo B.", "Scelgo la risposta B", "Penso che sia B.",
        "Credo sia B.", "B è la risposta corretta.", "B è corretta.", "B è giusta", "Quindi B.",
        "Quindi la risposta è B.", "Pertanto, la risposta corretta è **B**", "Risposta finale: B",
        "Soluzione: B", "Non A ma B", "Non è A, è B.", "A è sbagliata, B è giusta", "Het antwoord is B.",
        "Antwoord: B", "Het juiste antwoord is B.", "Het correcte antwoord is (B)", "Juiste antwoord: B",
        "B is juist.", "Optie B", "Ik kies B.", "Dus B", "Niet A maar B", "Svar: B", "Svaret är B.",
        "Rätt svar är B.", "Rätt svar: B", "Det rätta svaret är B", "Alternativ B",
        "Det korrekta svaret är B.", "Jag väljer B", "Inte A utan B", "Svaret er B.", "Riktig svar er B",
        "Riktig svar: B", "Det riktige svaret er B", "Det rigtige svar er B.", "Rigtigt svar: B",
        "Korrekt svar: B", "Ikke A men B", "Vastaus: B", "Vastaus on B.", "Oikea vastaus on B.",
        "Oikea vastaus: B", "Odpowiedź: B", "Odpowiedź B", "Odpowiedź to B.", "Poprawna odpowiedź to B.",
        "Prawidłowa odpowiedź to B", "Prawidłowa odpowiedź: B", "Poprawną odpowiedzią jest B.",
        "Prawidłową odpowiedzią jest (B)", "Poprawna opcja to B", "Wybieram B.", "B jest poprawna.",
        "B jest poprawną odpowiedzią.", "Opcja B", "Zatem B.", "Nie A, lecz B.", "Nie A, ale B",
        "Odpověď: B", "Odpověď je B", "Správná odpověď je B.", "Správná odpověď: B", "Správne je B",
        "Možnost B", "Správna odpoveď je B.", "Válasz: B", "A helyes válasz: B", "A helyes válasz a B.",
        "A válasz B.", "A helyes válasz B", "Răspuns: B", "Răspunsul este B.", "Răspunsul corect este B.",
        "Varianta corectă este B", "Απάντηση: B", "Η σωστή απάντηση είναι B.", "Η απάντηση είναι το B.",
        "Cevap: B", "Cevap B", "Cevap B'dir.", "Cevap: B şıkkı", "Doğru cevap B.", "Doğru cevap: B",
        "Doğru cevap B'dir.", "Doğru cevap B şıkkıdır.", "Doğru yanıt B'dir.", "Yanıt: B",
        "Doğru seçenek B'dir.", "B seçeneği doğrudur.", "B doğrudur.", "Seçenek B",
        "Bu nedenle doğru cevap **B**'dir.", "A değil, B", "Cavab: B", "Javob: B", "Жауап: B",
    ],
    None: [
        "A oder B", "A und B", "Weder A noch B", "Ich weiß es nicht.", "Die Antwort ist nicht A.",
        "Keine der Antworten ist richtig", "Ni A ni B", "A ou B", "A et B", "Je ne sais pas.",
        "La réponse n'est pas A.", "Il a trois enfants.", "A-t-il raison ?", "A o B", "A y B", "No sé",
        "No lo sé.", "La respuesta no es A.", "A mí me gusta", "A veces llueve", "A e B", "Nem A nem B",
        "Não sei.", "A resposta não é A.", "A casa é azul.", "A água ferve a 100 graus", "A resposta",
        "Né A né B", "Non lo so.", "La risposta non è A.", "A Roma piove", "I gatti dormono", "I am",
        "A of B", "A en B", "Ik weet het niet", "A eller B", "I dag er det fint", "I huset er", "A lub B",
        "A albo B", "A i B", "Ani A, ani B", "Nie wiem.", "A to jest trudne", "I tak dalej", "A veya B",
        "A ya da B", "Bilmiyorum", "Cevap A değil.",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("letter", "text"), [(letter, text) for letter, texts in TEXTS.items() for text in texts])
def test_the_letter_that_a_text_chooses(text: str, letter: str | None) -> None:
    assert answer_letter(text, 4) == letter
