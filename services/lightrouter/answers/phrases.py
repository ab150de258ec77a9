"""How models refuse, begin without saying anything, and how error pages look: RE2 patterns, one a line."""

from __future__ import annotations


def _any_of(lines: str) -> str:
    return "|".join(lines.strip().splitlines())


_VERBS = r"""(?:\
help|assist|answer|provide|comply|fulfill?|discuss|create|generate|engage|continue|do (?:that|this|so)|offer|support|\
respond|share|disclose|participate|process|recommend|advise|talk about|write (?:that|this|about)\
)""".replace("\\\n", "")
_BETWEEN = "(?: am| are|'m|'re)?(?: (?:really|very|so|afraid|sorry|but|that|i|we))*"

# Inability beside a verb of help or speech, since an apology alone may be an answer ("Lo siento"). A refusal that is
# missing here counts as an answer, as it did before there was a list. In the order: English, German and Scandinavian,
# Romance, Slavic and its neighbours, Arabic to Bengali, East and South East Asian languages.
REFUSALS = (
    _any_of(r"""
\b(?:i|we)WORDS (?:can't|cannot|can not|couldn't|could not)\b.{0,24}\bVERB
\b(?:i|we)WORDS (?:won't|will not|unable|not (?:able|allowed|permitted|comfortable))\b.{0,24}\bVERB
\b(?:i|we)(?: have to| must)? (?:decline|refuse) to\b
\b(?:unable|not able) to VERB
\bi(?:'d| would) (?:rather|prefer) not(?: to)? VERB
\bi respectfully decline\b|\bagainst my (?:programming|principles|guidelines)\b
^\W*(?:your |the |this )?(?:request|content|message)(?: was| has been)? (?:blocked|filtered|refused|denied|removed)\b
^\W*(?:your |the |this )?(?:response|output)(?: was| has been| is)? (?:blocked|filtered|refused|denied|removed)\b
^as an? (?:ai|artificial intelligence|(?:large )?language model)\b.{0,80}\b(?:can't|cannot|(?:un|not )able)\b
^as an? (?:ai|artificial intelligence|(?:large )?language model)\b.{0,80}\b(?:do not|don't) have\b
\b(?:i|we) (?:do not|don't) (?:know|have (?:access|enough|any|the) (?:information|data|context|ability))
\b(?:violates?|against|breach\w*) (?:\w+ ){0,3}(?:polic(?:y|ies)|guidelines|terms)\b
\b(?:kann|können)\b.{0,40}\bnicht\b.{0,24}(?:helfen|beantworten|antworten|unterstützen|geben|erfüllen|tun)\b
\b(?:darf|nicht in der lage)\b.{0,60}(?:helfen|beantworten|antworten|unterstützen)
\bich wei(?:ß|ss) es nicht\b|\bnicht (?:weiter)?helfen\b|\bniet (?:mee )?helpen\b|\bik weet het niet\b
\bkan\b.{0,30}\b(?:niet|inte|ikke)\b.{0,24}(?:help|beantwoord|hj[äæe]lp|svar|bistå)
\bne (?:peux|puis|suis|pouvons) pas\b.{0,40}(?:aider|répondre|fournir|assister|mesure|satisfaire)
\bno (?:puedo|podemos|soy capaz de)\b.{0,24}(?:ayudar|responder|proporcionar|cumplir|asistir|ofrecer)
\bnão (?:posso|consigo|podemos)\b.{0,24}(?:ajudar|responder|fornecer|atender|auxiliar)
\bnon (?:posso|possiamo|sono in grado)\b.{0,24}(?:aiutar|risponder|fornir|assister|soddisfar)
\bje ne sais pas\b|\bno lo sé|\bnão sei\b|\bnon lo so\b
\bno (?:puc|podem)\b.{0,16}ajudar|\bnu (?:pot|putem|te pot|vă pot)\b.{0,24}(?:ajuta|răspunde|oferi)
\bnie (?:mogę|jestem w stanie).{0,24}(?:pomóc|odpowiedzieć|spełnić|udzielić)|\bnem (?:tudok|segíthetek)\b
не (?:могу|можем|в состоянии).{0,24}(?:помочь|ответить|предоставить|выполнить|обсуждать)|я не знаю
не можу.{0,24}(?:допомогти|відповісти|надати)|\bnemohu\b.{0,24}(?:pomoci|odpovědět|poskytnout)
\ben voi\b.{0,16}(?:auttaa|vastata)|δεν μπορώ.{0,24}(?:βοηθήσω|απαντήσω|παρέχω)
yard.mc. olam|cevap verem|yan.tlayam
(?:لا أستطيع|لا يمكنني|لا استطيع|غير قادر).{0,24}(?:مساعد|الإجابة|تقديم|المساعدة)
نمی.?توانم.{0,24}(?:کمک|پاسخ)|(?:کمک|پاسخ).{0,16}نمی.?توانم
לא יכול.{0,16}(?:לעזור|לענות|לסייע)|(?:मदद|सहायता|उत्तर|जवाब).{0,16}नहीं|সাহায্য.{0,16}(?:পারব না|পারছি না)
(?:无法|無法|不能|没法|沒辦法|不便).{0,8}(?:提供|回答|帮|幫|协助|協助|满足|滿足|讨论|討論)|我不知道
(?:お手伝い|お答え|回答|提供|対応|お応え|支援)(?:は|を|する(?:こと|の)?[はが]?|が)?(?:でき|いたしかね|致しかね|し?かね)
(?:도와|도움|답변|제공|대답).{0,8}(?:수 없|어렵|못)|không thể.{0,16}(?:giúp|trả lời|cung cấp|hỗ trợ)
ไม่สามารถ.{0,16}(?:ช่วย|ตอบ|ให้)|tidak (?:bisa|dapat)\b.{0,16}(?:bantu|jawab|memberikan|memenuhi)
""")
    .replace("VERB", _VERBS)
    .replace("WORDS", _BETWEEN)
)
"""Found in the first sentences of a refusal."""

_OPENINGS = _any_of(r"""
sure|certainly|of course|absolutely|okay|ok|alright|great|(?:good|great) question|hmm+|well|right|thinking
let me (?:think|see)(?: about (?:it|this|that))?(?: step by step| carefully)?
let's (?:think|see|begin|start|go|work (?:it|this|through this) out)(?: about (?:it|this))?(?: step by step)?
(?:one moment|please wait)(?: please)?
i(?:'d| would) be happy to help(?: you)?(?: with (?:that|this))?
here is (?:the|my|an) answer|(?:final |correct )?answer
(?:so |thus |therefore |hence )?(?:the|my) (?:final |correct )?answer is
let us (?:think|see|begin|start)
let me (?:work|think) (?:through|about) (?:this|it)|first(?:ly)?|step (?:1|one)
to (?:answer|solve) (?:this|the) (?:question|problem)|\.\.\.|…|<think>
(?:die )?antwort(?: ist| lautet)?|(?:la )?réponse(?: est)?|(?:la )?respuesta(?: es)?
(?:a )?resposta(?: é)?|(?:la )?risposta(?: è)?
ответ|答案(?:是|为)?|答え(?:は)?|정답(?:은)?|الإجابة(?: هي)?|उत्तर|cevap
i have no idea|no idea|(?:i'm|i am) not (?:sure|certain)|i need more (?:information|context|details)
(?:could|can) you (?:please )?(?:provide|clarify|share)\b[^.!?]*
please (?:provide|clarify|share) (?:the|your|more) (?:question|context|details|information)
(?:(?:hello|hi)\W+)?how (?:can|may) i (?:help|assist)(?: you)?(?: today)?
what would you like(?: to know| me to do)?
das weiß ich nicht|keine ahnung|no sé|no tengo (?:suficiente )?información|non so rispondere
(?:я )?не знаю|nie wiem
(?:わか|分か)りません|모르겠습니다|لا (?:أعرف|أعلم)|मुझे नहीं पता
(?:ฉัน|ผม)?ไม่(?:ทราบ|รู้)|bilmiyorum|tôi không biết|saya tidak tahu
""")
OPENINGS = rf"(?:(?:{_OPENINGS})[\s.,!?:\x{{2026}}\x{{3002}}\x{{ff01}}\x{{ff1a}}\x{{964}}-]*)+"
"""Matches all of a text that has begun and said nothing yet."""

_STATUS = r"(?:error|gateway|unavailable|time-?out|too many|forbidden|not found)"
ERROR_PAGES = _any_of(rf"""
^\s*(?:<!doctype html|<html).{{0,160}}?<(?:title|h1)>[^<]{{0,60}}(?:\b[45]\d\d\b|error|denied|forbidden)
^\s*\{{\s*"(?:error|errors)"\s*:
^\s*\{{\s*"(?:message|detail)"\s*:\s*"(?:internal|not auth|unauth|forbidden|invalid|rate|too many)
^\s*(?:(?:http|error)\W{{0,3}})?[45]\d\d\b.{{0,12}}\b{_STATUS}
^\s*(?:internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|too many requests)\b
^\s*(?:an (?:unexpected |internal )?error (?:has )?occurred|something went wrong|no healthy upstream)\b
^\s*(?:the )?(?:server|model|service|system) is (?:currently |temporarily )?(?:overloaded|busy|unavailable)\b
^\s*(?:rate limit (?:exceeded|reached)|upstream connect error|request timed out)\b
""")
"""Found at the start of what a server says in a model's place."""
