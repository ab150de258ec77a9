"""How models refuse, begin without saying anything, and how error pages look: RE2 patterns, one a line."""

from __future__ import annotations


def any_of(lines: str) -> str:
    """Returns a pattern for any of the lines; a line that ends in a backslash goes on in the next."""
    return "|".join(lines.replace("\\\n", "").strip().splitlines())


_VERBS = r"""(?:\
help|assist|answer|provide|comply|fulfill?|discuss|create|generate|engage|continue|do (?:that|this|so)|offer|support|\
respond|share|disclose|participate|process|recommend|advise|talk about|write (?:that|this|about)|\
give (?:\w+ ){0,3}(?:advice|opinions?|recommendations?|information)\
)""".replace("\\\n", "")
_BETWEEN = "(?: am| are|'m|'re)?(?: (?:really|very|so|afraid|sorry|but|that|i|we))*"

# Inability beside a verb of help or speech, since an apology alone may be an answer ("Lo siento"). A refusal that is
# missing here counts as an answer, as it did before there was a list. In the order: English, German and Scandinavian,
# Romance, Slavic and its neighbours, Arabic to Bengali, East and South East Asian languages.
_ENGLISH = (
    any_of(r"""
\b(?:i|we|im)WORDS (?:can't|cannot|can not|cant|couldn't|could not)\b[^.!?]{0,24}\bVERB
\b(?:i|we)WORDS (?:won't|will not|unable|not (?:able|allowed|permitted|comfortable))\b[^.!?]{0,24}\bVERB
\b(?:i|we)(?: have to| must)?(?: respectfully| politely)? (?:decline|refuse)(?: to\b| (?:this|that|your|the)\b|\W*$)
(?:\bnot|n't) feel comfortable\b|\bnot (?:going|qualified|allowed|permitted|programmed|designed) to VERB
\b(?:programmed|designed|instructed) not to\b|\bnot something (?:that )?i(?:'m| am| can)\b
\bmy (?:guidelines|programming|instructions|training|polic(?:y|ies)|rules) (?:prevents?|do(?:es)?(?: not|n't) \
allow|prohibits?|forbids?)\b
\b(?:i|we)WORDS (?:can't|cannot|unable to|not able to) (?:\w+ly )?(?:access|view|see|open|browse|watch|hear) \
(?:\w+ ){0,2}MEDIA
\b(?:i|we)(?:WORDS| was) (?:can't|cannot|couldn't|could not|unable to|not able to) find (?:any|an|the|that|\
enough) (?:\w+ )?(?:information|answer|results?|data)
\blet's (?:talk about|discuss) something else\b|\blet's change the (?:topic|subject)\b
\bcan we talk about something else\b
\b(?:unable|not able) to VERB
\bi(?:'d| would) (?:rather|prefer) not(?: to)? (?:say|VERB)|^no comment\W*$
\bi respectfully decline\b|\bagainst my (?:programming|principles|guidelines)\b
^\W*(?:your |the |this )?(?:request|content|message)(?: was| has been)? BLOCKED
^\W*(?:your |the |this )?(?:response|output)(?: was| has been| is)? BLOCKED
^(?:\W*(?:sorry|unfortunately|i apologi[sz]e)\W*(?:but )?)?i(?:'m| am) (?:just |only )?an? (?:ai|artificial \
intelligence|(?:large )?language model)\b.{0,80}\b(?:can't|cannot|don't|do not)\b
^as an? (?:ai|artificial intelligence|(?:large )?language model)\b.{0,80}\b(?:can't|cannot|(?:un|not )able)\b
^as an? (?:ai|artificial intelligence|(?:large )?language model)\b.{0,80}\b(?:do not|don't) have\b
\b(?:i|we) (?:do not|don't) (?:know|have (?:\w+ ){0,2}(?:access|information|data|context|ability))\b
\b(?:i|we) have no (?:information|data|knowledge|access)\b
\b(?:violates?|against|breach\w*) (?:our|my|\w+'s|(?:the )?(?:content|usage|safety|community)) (?:\w+ \
){0,2}(?:polic(?:y|ies)|guidelines|terms)\b
\b(?:beyond|outside|out of) my (?:capabilit\w+|scope|abilit\w+|expertise|knowledge)\b|\bi(?:'m| am) not equipped to\b
^\W*i (?:can't|cannot) say\W*$|\bi(?:'ll)? have to pass on this\b
""")
    .replace("VERB", _VERBS)
    .replace("MEDIA", r"(?:internet|web|images?|pictures?|photos?|files?|links?|urls?|(?:web)?sites?|videos?|audio)\b")
    .replace("BLOCKED", r"(?:blocked|filtered|refused|denied|removed)(?: (?:by|due|because)\b|\W*$|[.!:])")
    .replace("WORDS", _BETWEEN)
)
_LATIN = any_of(r"""
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
\bnemohu\b.{0,24}(?:pomoci|odpovědět|poskytnout)
\ben voi\b.{0,16}(?:auttaa|vastata)
yard.mc. olam|cevap verem|yan.tlayam|yerine getirem
\bkann\b.{0,30}\b(?:keine|nichts)\b.{0,24}(?:auskunft|informationen|sagen|helfen)
\b(?:darauf|darüber|dazu) (?:möchte|will) ich nicht\b|\bich (?:möchte|will) (?:darauf|darüber|dazu) nicht\b
^(?:als (?:ki|sprachmodell)|en tant qu(?:'ia\b|e mod[eè]le)|como (?:una? |uma )?(?:ia\b|modelo de l)|(?:in \
quanto|come) (?:ia\b|modello)).{0,60}\b(?:keine?|nicht|pas|no|não|non)\b
\bweiß (?:es|das) (?:leider )?nicht\b|\bje préfère ne pas\b|\bprefiero no (?:responder|hablar)
\bje (?:ne dispose pas|n'ai pas) (?:de )?(?:cette |d')?information
\bne (?:peux|puis) pas\b.{0,24}(?:accéder|donner|faire)
\bno (?:me es posible|estoy autorizado)\b|\bno (?:dispongo de|tengo) esa información|\bno puedo (?:hacer(?:lo)?|hablar)
\bnão (?:sou capaz|estou autorizado)\b|\bnon (?:sono autorizzato|dispongo)\b|\bnon podo\b.{0,16}(?:axudar|responder)
\bne mogu\b.{0,20}(?:pomo[cć]i|odgovoriti)
tidak boleh\b.{0,16}(?:bantu|jawab)
\bsiwezi (?:ku\w*saidia|kujibu)|\bhindi (?:kita|ko|ako) (?:ma\w*tulungan|masasagot|makakatulong)
\bek kan nie\b.{0,16}help|\bezin (?:dizut|dut)\b
không thể.{0,16}(?:giúp|trả lời|cung cấp|hỗ trợ)
tidak (?:bisa|dapat)\b.{0,16}(?:bantu|jawab|memberikan|memenuhi)
\bkann\b.{0,30}\bnicht (?:ausführen|bearbeiten|erledigen)|^\W*entschuldigung\W+das kann ich (?:leider )?nicht\b
\bno (?:tengo permitido|me está permitido)\b|\bno puedo cumplir\b|\bnão (?:tenho permissão|posso cumprir)\b
\b(?:mi rifiuto|je refuse|me niego|me recuso|weigere mich|lehne es ab|ik weiger|odmawiam|odmítám|refuz să)\b.{0,24}\
(?:rispond|répond|respond|antwort|odpow|odpov|răspund)|\bnon mi è possibile\b|\bik mag\b.{0,24}\bniet beantwoorden
\bnu pot face\b|\bnie mogę tego\b|\bnemůžu\b.{0,20}(?:pomoct|odpovědět)|từ chối (?:trả lời|cung cấp)
\bmenolak (?:untuk )?(?:menjawab|memberikan)|cevap vermeyi reddediyorum
""")
_OTHER_SCRIPTS = any_of(r"""
не (?:могу|можем|в состоянии).{0,24}(?:помочь|ответить|предоставить|выполнить|обсуждать)|я не знаю
не можу.{0,24}(?:допомогти|відповісти|надати)
δεν μπορώ.{0,24}(?:βοηθήσω|απαντήσω|παρέχω)
^(?:jako (?:ai\b|model)|как (?:языковая модель|ии |искусственный)|作为(?:一个|一名)?(?:ai|人工智能|\
(?:大型)?语言模型)|aiとして|بصفتي).{0,60}(?:\bnie\b|не |没有|无法|不能|ません|لا )
ai (?:언어 모델|모델|어시스턴트).{0,40}(?:없|못)
не мога.{0,20}(?:помогна|отговоря)|не могу.{0,16}(?:помогн|одговор)
مدد نہیں کر سک|جواب نہیں دے سک|(?:לא אוכל|לא יכולה|(?:איני|אינני) יכול\w*).{0,12}(?:לעזור|לענות|לסייע)
(?:উত্তর|সাহায্য).{0,16}(?:পারব না|পারি না|পারছি না)|(?:உதவ|பதிலளிக்க).{0,16}(?:முடியாது|இயலாது)|(?:సహాయం|సమాధానం).{0,16}లేను
(?:സഹായിക്കാൻ|ഉത്തരം).{0,16}കഴിയില്ല|(?:ಸಹಾಯ|ಉತ್ತರ).{0,20}ಸಾಧ್ಯವಿಲ್ಲ|(?:मदत|उत्तर).{0,16}शकत नाही
(?:મદદ|જવાબ).{0,16}શકત[ોી] નથી|(?:ਮਦਦ|ਜਵਾਬ).{0,16}ਨਹੀਂ
(?:抱歉|对不起|對不起).{0,8}(?:我)?(?:没有|沒有|无法|無法|不能|不知道)
我(?:暂时)?(?:无法|無法|不能)(?:给到|給|访问|查看|讨论)
(?:すみません|申し訳|恐れ入り|残念).{0,24}(?:できません|できかねます|答えられません|かねます)
(?:죄송|미안).{0,24}(?:수 없|어렵|못)|알려 ?드릴 수 없
ບໍ່ສາມາດ.{0,16}(?:ຊ່ວຍ|ຕອບ)|មិនអាច.{0,16}(?:ជួយ|ឆ្លើយ)|မ(?:ကူညီ|ဖြေ).{0,8}နိုင်
(?:لا أستطيع|لا يمكنني|لا استطيع|غير قادر).{0,24}(?:مساعد|الإجابة|تقديم|المساعدة)
نمی.?توانم.{0,24}(?:کمک|پاسخ)|(?:کمک|پاسخ).{0,16}نمی.?توانم
לא יכול.{0,16}(?:לעזור|לענות|לסייע)|(?:मदद|सहायता|उत्तर|जवाब).{0,16}नहीं|সাহায্য.{0,16}(?:পারব না|পারছি না)
(?:无法|無法|不能|没法|沒辦法|不便).{0,8}(?:提供|回答|帮|幫|协助|協助|满足|滿足|讨论|討論)|我不知道
(?:お手伝い|お答え|回答|提供|対応|お応え|支援)(?:は|を|する(?:こと|の)?[はが]?|が)?(?:でき|いたしかね|致しかね|し?かね)
(?:도와|도움|답변|제공|대답).{0,8}(?:수 없|어렵|못)
ไม่สามารถ.{0,16}(?:ช่วย|ตอบ|ให้)
не имею права.{0,24}отве|отказываюсь (?:отвечать|обсуждать)|меня нет (?:такой |этой )?информации
无可奉告|無可奉告|我(?:拒绝|拒絕)(?:回答|提供)|(?:抱歉|对不起|對不起).{0,6}做不到|超出了?我的(?:能力|知识)
回答を(?:差し)?控え|お答えすることはできません|답할 수 없|말씀드릴 수 없|ปฏิเสธที่จะตอบ
لا يمكنني.{0,12}الرد|أرفض (?:الإجابة|الرد)|מסרבת? (?:לענות|לעזור)|(?:जवाब|उत्तर) देने से (?:इनकार|इंकार)
""")
REFUSALS = (_ENGLISH, _LATIN, _OTHER_SCRIPTS)
"""Found in the first sentences of a refusal; the last one only in a text that is not ASCII."""

# Beside a refusal, what shows that the text still answers, or only speaks of a refusal.
NO_REFUSALS = any_of(r"""
\bcan(?:'t|not) help (?:but|\w+ing)\b|\bcan(?:'t|not) \w+ (?:\w+ ){1,3}enough\b
\bdon't know (?:why|of any)\b|^\W?(?:if|when) (?:i|we)\b
я не знаю,? (?:почему|зачем)
\b(?:but|however|nevertheless),? (?:the|he|she|they|its|his|her|here (?:is|are))\b
\b(?:but|however),? [a-z]+ (?:[a-z]+ )?(?:is|was|are|were|has|had) (?:the|an?|about|around|\d)
\b(?:but|however),? it(?:'s| is| was) (?:the|an?|about|around|\d)
\b(?:while|although|though) (?:i|we)\b[^.]*, (?:i can (?:infer|estimate|say|assume|tell)|the|it|he|she|they|\
\w+ (?:\w+ )?(?:is|was|are|were|has|had))\b
\b(?:said|says|replied|answered|asked|wrote)\b(?: that\b|[,:]? ?["“'])
^["“][^"”]{1,160}["”] (?:is|was|means|says)\b|但(?:是)?(?:答案|它|其|最)
""")
"""Found near a refusal that is none."""

# Words with which a text says what it will do.
_PLAN = f"""(?:{
    any_of('''
think|see|begin|start|go|work|break|solve|analy[sz]e|consider|look|examine|evaluate|tackle|figure|find|determine
calculate|compute|approach|explore|review|understand|dive|explain|help|answer|about|at|out|down|in|into|through|over
it|this|that|the|each|given|problems?|questions?|solution|options?|choices?|statements?|one|by|steps?|first
carefully|together|logically|of|and|to|correct|best|right|you|with
''')
})"""
_OPENINGS = any_of(r"""
sure|certainly|of course|absolutely|okay|ok|alright|great|(?:good|great) question|hmm+|well|right|thinking
(?:let's|let us|let me|to)(?: PLAN)+
(?:(?:first,? )?(?:we|i|you|let's)(?: need to| have to| must| can| should| will|'ll))(?: PLAN)*
sure thing|no problem|happy to help|that's an? (?:great|good|interesting|excellent) question|processing|loading|wait
so|thus|therefore|hence
here(?:'s| is)(?: (?:the|my|an?|your))?(?: (?:answer|solution|explanation|response))?
(?:explanation|solution|response|output|result|reasoning|analysis|question|q):
(?:one moment|please wait)(?: please)?
i(?:'d| would) be (?:happy|glad) to (?:help|assist|answer)(?: you)?(?: with (?:that|this|it))?
(?:final |correct )?answer
(?:so |thus |therefore |hence )?(?:the|my) (?:final |correct )?answer is
first(?:ly)?|step (?:1|one)|\.\.\.|…|<(?:think|thinking|answer|reasoning)>
(?:die )?antwort(?: ist| lautet)?|(?:la )?réponse(?: est)?|(?:la )?respuesta(?: es)?
(?:a )?resposta(?: é)?|(?:la )?risposta(?: è)?
ответ|答案(?:是|为)?|答え(?:は)?|정답(?:은)?|الإجابة(?: هي)?|उत्तर|cevap|解|首先|まず|먼저
gerne|natürlich|klar|hier ist die (?:antwort|lösung)
lass(?:t)? uns(?: das)?(?: schritt für schritt)?(?: (?:denken|nachdenken|vorgehen|durchgehen))?
bien sûr|d'accord|voici (?:la|ma) réponse|réfléchissons(?: étape par étape)?|claro(?: que sí)?|por supuesto
pensemos(?: paso a paso)?
(?:aquí (?:está|tienes)|esta es) la respuesta|vamos (?:a )?(?:pensar|ver)(?: (?:paso a paso|passo a passo))?
com certeza|aqui está a resposta
certo|certamente|ecco la risposta|pensiamo(?: passo dopo passo)?|vediamo|natuurlijk|oczywiście|jasne|tabii(?: ki)?
elbette
конечно|хорошо|давайте (?:подумаем|рассмотрим|разберём|разберем)(?: это)?(?: шаг за шагом)?|вот ответ|بالتأكيد|بالطبع
ज़रूर
好的|当然(?:可以)?|當然(?:可以)?|没问题
(?:让|讓)我们?(?:一步一步|一步步|逐步)?(?:地)?(?:来)?(?:思考|想想|想一想|分析|看看)(?:一下)?(?:这个问题)?
もちろん(?:です)?|(?:では)?(?:ステップバイステップ|段階的|順番)(?:で|に)(?:考え|見)(?:て)?(?:みま|ま)しょう|물론입니다
물론이죠
단계별로 생각해 ?(?:봅시다|보겠습니다|보죠)|แน่นอน(?:ครับ|ค่ะ)?|chắc chắn(?: rồi)?|tất nhiên|tentu(?: saja)?
mari kita (?:pikirkan|lihat)(?: langkah demi langkah)?
i have no idea|no idea|(?:i'm|i am) not (?:sure|certain)|i need more (?:information|context|details)
(?:could|can) you (?:please )?(?:provide|clarify|share)\b[^.!?]*
please (?:provide|clarify|share) (?:the|your|more) (?:question|context|details|information)
(?:(?:hello|hi)\W+)?how (?:can|may) i (?:help|assist)(?: you)?(?: today)?
what would you like(?: to know| me to do)?
das weiß ich nicht|keine ahnung|no sé|no tengo (?:suficiente )?información|non so rispondere
(?:я )?не знаю|nie wiem
(?:わか|分か)りません|모르겠습니다|لا (?:أعرف|أعلم)|मुझे नहीं पता
(?:ฉัน|ผม)?ไม่(?:ทราบ|รู้)|bilmiyorum|tôi không biết|saya tidak tahu
""").replace("PLAN", _PLAN)
OPENINGS = (
    rf"(?:(?:{_OPENINGS})(?:[\s.,!?:\x{{2026}}\x{{3001}}\x{{3002}}\x{{ff01}}\x{{ff0c}}\x{{ff1a}}\x{{964}}-]+|$))+"
)
"""Matches all of a text that has begun and said nothing yet."""

_STATUS = r"(?:error|gateway|unavailable|time-?out|too many(?: requests)?|forbidden|not found)"
_END = r"(?:s\b)?(?:\W*$|[.!:,;<\n]| (?:while|during|please|right now|at the moment|at this time|try|with)\b)"
ERROR_PAGES = any_of(rf"""
^\s*(?:<!doctype html|<html).{{0,160}}?<(?:title|h1)>[^<]{{0,60}}(?:\b[45]\d\d\b|error|denied|forbidden)
^\s*\{{\s*"(?:error|errors)"\s*:
^\s*\{{\s*"(?:message|detail)"\s*:\s*"(?:internal|not auth|unauth|forbidden|invalid|rate|too many)
^\s*(?:(?:http|error)\W{{0,3}})?[45]\d\d\b.{{0,12}}\b{_STATUS}{_END}
^\s*(?:internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|too many requests)\b
^\s*(?:an (?:unexpected |internal )?error (?:has )?occurred|something went wrong|no healthy upstream){_END}
^\s*(?:the )?(?:server|model|service|system) is (?:currently |temporarily )?(?:overloaded|busy|unavailable){_END}
^\s*(?:rate limit (?:exceeded|reached)|upstream connect error|request timed out)\b
""")
"""Found at the start of what a server says in a model's place."""
