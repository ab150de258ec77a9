"""Short texts that are nothing but a refusal, by their structure.

Each clause of such a text says that the speaker cannot or will not do something, gives a reason, apologizes, sends the
reader elsewhere or asks for details; one clause at least is of the first or the last kind. A clause of any other kind
may be the answer. The lists have the grammar of each language and the verbs of an assistant's work, to tell, to open,
to look up, rather than whole sentences: "I can't sleep" may be a translation.
"""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Protocol, cast

import re2

from lightrouter.answers.phrases import any_of

# A choice: a longer text says more than that it does not answer.
_LONGEST: Final = 400


# Before what a clause says.
_LINK: Final = (
    r"(?:(?:so|but|and|however|therefore|unfortunately|sorry|i'm sorry|also|aber|und|daher|deshalb|leider|mais|et|donc"
    r"|malheureusement|désolée?|pero|y|así que|lamentablemente|lo siento|por eso|но|и|поэтому|к сожалению|извините"
    r"|माफ़ कीजिए)[\s,:.!]+|(?:但是?|所以|因此|很?抱歉|对不起|لذلك|لكن|عذر[اً]+|آسف)[\s,，،]*)"
)
# Who speaks, and sorrow, with the comma behind them.
_PREFACE: Final = any_of(r"""
(?:as|being|since i'm|because i'm) an? [^,.]{0,30}\b(?:ai|assistant|model)\b[^,.]{0,30},
i(?:'m| am) (?:just |only )?an? [^,.]{0,30}\b(?:ai|assistant|model)\b[^,.]{0,30},
als (?:ki|sprachmodell|ai)\b,?|en tant qu[^,.]{0,40},|\
como [^,.]{0,40}\b(?:ia|modelo|asistente)[^,.]{0,20},
my (?:knowledge|training|data)[^,.]{0,60},
будучи [^,.]{0,30},|как [^,.]{0,12}(?:модель|ии|ассистент)[^,.]{0,12},|\
作为[^，。]{0,16}[，,]|私はai[^、。]{0,12}、|申し訳[^、。]{0,12}、
एक (?:एआई|ai)[^,]{0,30},|بصفتي[^،,]{0,30}[،,]
""")
_DO: Final = r"""(?:\
tell (?:you )?(?:what|who|when|whether|if|which|where|about|the|that|this|your)|pull up|walk you|guide|\
instruct|teach|coach|explain|describe|check|look (?:up|into|at)|\
draft|write|compose|produce|get into|go into|be part|take part|facilitate|encourage|endorse|access|retrieve|\
fetch|\
browse|show|share|predict|forecast|speculate|verify|confirm|diagnose|prescribe|list|monitor|track|search|\
(?:open|see|view|read|watch|hear|load|play|download) (?:\w+ ){0,2}(?:links?|files?|attachments?|documents?|\
images?|\
pictures?|photos?|screenshots?|pdfs?|spreadsheets?|videos?|urls?|pages?|audio|current|live|today|real|accounts?)|\
know(?:ing)? (?:what|who|the|which)|process|cancel|refund|book|send|place|make (?:\w+ )?(?:calls?|purchases?|\
reservations?|payments?))""".replace("\\\n", "")
_HAVE: Final = r"""(?:(?:any |an? |\w+ing )?(?:personal |own |real[- ]time |current |live |direct |up-to-date )*\
(?:access|way|means|information|data|records?|opinions?|views?|preferences?|feelings?|favou?rites?|beliefs|\
memory|\
visibility|\w*abilit(?:y|ies)|physical \w+|emotions|experiences|consciousness))\b""".replace("\\\n", "")
_CANNOT_LATIN: Final = any_of(rf"""
i (?:really |also |currently |still )*(?:can't|cannot|can not|couldn't|won't|will not|wouldn't) (?:\w+ly )\
?(?:{_DO})\b
i(?:'m| am) (?:really |currently |also )*(?:unable|not (?:able|going|willing|allowed|permitted|in a position))\
 to (?:{_DO})\b
i (?:do not|don't) (?:currently |actually )?(?:have|hold|see) {_HAVE}|i have no {_HAVE}
i (?:do not|don't) see (?:an?y? )?(?:\w+ )?(?:attachments?|files?|images?|documents?|links?)\b
there(?:'s| is) no way for me to\b|i have no way (?:of|to)\b|(?:that|this|it)(?:'s| is| falls| goes)? \
(?:outside|beyond) (?:what i|(?:of )?my (?:\w+ )?(?:area|scope|role|remit|training|knowledge|expertise|\
abilit\w+|capabilit\w+))\b
(?:it (?:looks|seems) like )?(?:the|your) (?:file|image|attachment|document|link|photo) (?:didn't|did not|\
hasn't|has not) (?:come|upload|attach|load)\b
i (?:can only|am only able to|'m only able to|only) (?:help|assist|answer|discuss|respond)\b|i'm only able to \
(?:help|assist|answer|discuss)\b
(?:das |dies |so etwas |(?:\w+ ){{0,6}})(?:kann|werde|darf|möchte) ich (?:[^,.]* )?(?:nichts?|kein\w*) \
(?:[^,.]* )?(?:schreiben|\
anleiten|erklären|beschreiben|sagen|nennen|verraten|zeigen|sehen|öffnen|abrufen|ansehen|lesen|prüfen|\
einsehen|erstellen|verfassen)
ich (?:kann|werde|darf|möchte) (?:[^,.]* )?(?:nichts?|kein\w*) (?:[^,.]* )?(?:schreiben|anleiten|erklären|\
beschreiben|sagen|\
nennen|verraten|zeigen|sehen|öffnen|abrufen|ansehen|lesen|prüfen|einsehen|erstellen|verfassen)
(?:ich habe|habe ich|habe) (?:leider |derzeit )?kein\w* (?:\w+ )?(?:zugriff|zugang|meinung|informationen|\
daten|gefühle|vorlieben|möglichkeit)
ich kann (?:hier |leider |dir |ihnen )*(?:nur|ausschließlich) (?:[^,.]* )?(?:beantworten|helfen|weiterhelfen|\
auskunft)
je ne (?:peux|puis|vais|saurais|souhaite) pas (?:\w+ ){{0,2}}(?:expliquer|rédiger|écrire|dire|indiquer|\
décrire|ouvrir|consulter|\
vérifier|lire|voir|accéder|montrer|fournir|rechercher|prédire)
je n'ai (?:pas|aucune?) (?:actuellement |d'|de )?(?:accès|avis|opinion|préférence|information|moyen|\
donnée)|je ne dispose (?:pas|d'aucune?)
je (?:ne )?peux (?:uniquement|seulement|qu') ?(?:\w+ )?(?:répondre|aider)
no (?:puedo|voy a|podré|debo) (?:\w+ )?(?:escribir|explicar|decir|contar|describir|redactar|abrir|ver|\
consultar|acceder|\
verificar|mostrar|leer|buscar|predecir|indicar)\w*
no tengo (?:actualmente )?(?:acceso|opini|preferencia|información|datos|forma de|manera de|sentimientos)
(?:yo )?s[oó]lo puedo (?:ayudar|responder|contestar)\w*
não (?:posso|vou|consigo) (?:\w+ )?(?:escrever|explicar|dizer|abrir|ver|consultar|acessar|mostrar|ler)\w*|não \
tenho (?:acesso|opini|informa)
non (?:posso|potrò|riesco a) (?:\w+ )?(?:scriver|spiegar|dir|aprir|veder|consultar|acceder|mostrar|\
legger)\w*|non ho (?:accesso|opinion|informazion)
""")
_CANNOT: Final = f"{_CANNOT_LATIN}|" + any_of(r"""
я не (?:могу|буду|смогу|стану|умею|имею) (?:[^,.]* )?(?:рассказ|\
писать|напис|объясн|откры|посмотр|провер|сообщ|показ|опис|\
мнени|доступ|предсказ|назвать)\w*
у меня (?:сейчас )?нет (?:[^,.]* )?(?:доступа|возможности|мнения|\
предпочтений|информации|данных)
я могу (?:отвечать|помочь|помогать|ответить)(?: \w+)? только
[^，。]{0,12}(?:我|我们)(?:目前|现在|也|暂时)?(?:无法|無法|不能|不会|没法|没有办法)(?:直接)?(?:写|告诉|说明|\
解释|描述|获取|查询|查看|打开|访问|\
看到|读取|预测|浏览|为您|向您|给您|帮您|教)
(?:我|我们)(?:目前|现在|也|并)?没有(?:[^，。]{0,8})(?:数据|信息|观点|意见|看法|偏好|权限|情感|渠道)
(?:我|我们)?(?:看不到|打不开|读不了|收不到)[^，。]{0,12}(?:图片|图像|文件|链接|附件|内容|视频)
(?:我|我们)没有[^，。]{0,12}(?:能力|功能)
(?:我|我们)(?:这边|这里)?只能(?:回答|处理|协助|帮)
[^。]{0,40}(?:お伝え|お教え|お見せ|書く|作成する|説明する|開く|閲覧する|確認する|表示する|取得する|見る|\
読み込む|アクセス)\
(?:すること|こと)?(?:は|が)?でき(?:ません|ない)
[^。]{0,30}を(?:確認|閲覧|取得|表示|再生|開封)(?:は|が)?でき(?:ません|ない)
[^。]{0,16}(?:個人的な|私自身の)[^。]{0,8}(?:ありません|持って(?:い)?ません)
[^。]{0,30}(?:質問|お問い合わせ)に(?:のみ|だけ)[^。]{0,4}(?:お答え|回答|対応)
मैं [^।]{0,60}नहीं (?:बता|खोल|लिख|दे|दिखा|समझा|देख|पढ़) ?सकत[ाी]
मेरे पास [^।]{0,60}(?:पहुँच|पहुंच|जानकारी|डेटा|राय) [^।]{0,8}नहीं|मेरी कोई [^।]{0,24}(?:राय|पसंद|भावना)\
[^।]{0,8}नहीं
(?:لا أستطيع|لا يمكنني|لن أقوم|لن|لا أقدر)(?: أن| على)? (?:أشرح|شرح|أكتب|كتابة|أخبر|إخبار|فتح|أفتح|الوصول|\
الاطلاع|عرض|أعرض|وصف|أصف|قراءة|التحقق)
لي(?:س|ست) لدي (?:[^.،]{0,24})?(?:إمكانية|وصول|الوصول|رأي|آراء|معلومات|بيانات|القدرة)
""")
_ASKS_LATIN: Final = any_of(r"""
(?:could|can|would|will) you (?:please )?(?:tell me (?:a bit |a little )?more|give me (?:a bit |some )?more|\
clarify|specify|elaborate|\
share (?:it|the|more)|paste|upload|provide|describe what you)\b[^.]*
what (?:exactly )?(?:do you mean|are you (?:referring|looking|trying))\b[^.]*|which (?:\w+ ){1,2}(?:are|do) \
you (?:using|use|mean|want|referring|looking)\b[^.]*
(?:please )?(?:upload|paste|share|provide|send|attach) [^.]*\bso (?:that )?i can\b[^.]*
(?:to [^,.]{0,50}, )?i(?:'d| would|'ll| will)? need (?:to know|more|some more|a bit more|a few more|you to)\b[^.]*
(?:könntest|könnten|kannst|können) (?:du|sie) (?:mir )?(?:bitte )?(?:etwas |ein paar )?(?:mehr|genauer|näher|\
weitere|präzis)[^.]*
(?:pourriez|pouvez|peux|pourrais)[- ](?:vous|tu) (?:me |m')?(?:s'il vous plaît )?(?:préciser|donner plus|\
clarifier|fournir)[^.]*
(?:podrías|puedes|podría|puede) (?:\w+ )?(?:darme más|aclarar|especificar|proporcionar más|dar más)[^.]*
""")
_ASKS: Final = f"{_ASKS_LATIN}|" + any_of(r"""
请?问?(?:您|你)?(?:能否|能|可以|可否)?(?:请)?(?:提供|说明|告诉我)(?:一下)?(?:更多|更具体|更详细|具体)[^。]*
(?:もう少し|より)(?:詳しく|詳細)[^。]*(?:ください|ますか|でしょうか)|(?:уточните|не могли бы \
вы (?:уточнить|рассказать подробнее))[^.]*
(?:कृपया|क्या आप) [^।]{0,20}(?:और|अधिक) (?:जानकारी|विवरण)[^।]*|هل يمكنك (?:توضيح|تقديم المزيد|إعطائي المزيد)[^.]*
""")
# What sends the reader elsewhere, offers something else, or says why.
_ELSE: Final = any_of(r"""
(?:instead[, ]+)?(?:please|kindly|try|check|contact|visit|consult|feel free|let me know|reach out|ask)\b
if (?:you|there|it)\b|(?:is there|do you|would you|could you|can you|what (?:else|would|can)|how (?:else |can ))
you (?:can|could|may|might|should|'ll|will)(?: \w+ly| want to| need to)? (?:check|visit|contact|look|try|ask|\
consult|share|upload|\
paste|provide|reach|find (?:it|this|that|the latest|more))\b
i(?:'d| would) (?:recommend|suggest|be (?:happy|glad))|i (?:recommend|suggest|apologi[sz]e|hope|understand|\
encourage)\b|i can (?:help|\
assist|offer|instead)\b|i'm (?:happy|glad|here|sorry)\b|i(?:'m| am) (?:just |only )?an? (?:\w+ ){0,3}(?:ai|\
assistant|model)\b
my (?:knowledge|training|data)\b|i have to stop\b|because\b|since\b|for (?:the )?(?:latest|current|more|\
up-to-date|accurate)\b|thank\b|sorry\b
(?:bitte|weil|da|denn|wenn|falls|kopiere|schau|versuche?|wende|gerne?|es tut mir leid|tut mir leid|kannst du|\
könnten sie)\b
(?:veuillez|merci|car|parce|si vous|si tu|vous pouvez|n'hésitez|consultez|essayez|collez|je suis désolé|je \
vous (?:invite|recommande|suggère))\b
(?:por favor|porque|ya que|si |puedes (?:consultar|pegar|visitar|buscar)|consulta|visita|pega|te recomiendo|\
le recomiendo|intenta|prueba)
(?:пожалуйста|вставьте|скопируйте|проверьте|обратитесь|\
попробуйте|если|потому|так как|поскольку|вы можете \
(?:проверить|посмотреть)|извините)
请|建议|如果|您可以(?:查|访|联|把|尝)|你可以(?:查|访|联|把|尝)|因为|由于|很?抱歉|对不起
[^。]*(?:ください|お願いいたします|お願いします|申し訳[^。]*|すみません)$|申し訳|(?:कृपया|यदि|अगर|क्षमा|माफ़)|\
(?:يرجى|من فضلك|إذا|لأن|أنصح|يمكنك (?:التحقق|زيارة|الاطلاع)|عذر|آسف)
""")
_PARTS: Final = re.compile(
    r"[.!?]\s+|[;:\u2014\u2013]\s|[;。！？；：।؟]|[，、،]\s*"
    r"|, (?=(?:so|but|and|because|since|though|however|yet|jedoch|allerdings|cependant|sin|aber|und|also|weil|da|denn"
    r"|mais|et|donc|car|parce|pero|así|porque|ya|y|однако|но|и|поэтому|потому|поскольку|так)\b)",
    re.IGNORECASE,
)
# Words that turn from what cannot be said to what can, and sentences that state a number.
_TURN: Final = re.compile(
    r"(?:(?<=\W)|^)(?:but|however|though|although|that said|that being said|nevertheless|nonetheless|even so|based on"
    r"|from memory|from what i know|going by|as of|for the (?:second|rest|other)|my best (?:guess|estimate)|in general"
    r"|generally|aber|jedoch|allerdings|dennoch|trotzdem|mais|cependant|toutefois|néanmoins|pero|sin embargo|aunque"
    r"|mas|porém|no entanto|contudo|ma|però|tuttavia|maar|echter|men|dock|ale|jednak|но|однако|але|ama|fakat|ancak"
    r"|nhưng|tuy nhiên|tetapi|namun|लेकिन|परंतु|لكن|ولكن|اما)(?!\w)"
    r"|(?:但是?|不过|不過|然而|しかし|ただし|けれども|が、|하지만|그러나|지만)"
    r"|(?<=[.!?。！])\s*(?=[^.!?]{0,60}\b(?:is|was|are|were|has|had|about|around|roughly|approximately)\b[^.!?]{0,24}\d)",
    re.IGNORECASE,
)
_OFFERS_SAID: Final = any_of(r"""
(?:i|we)(?: can|'ll|'d| will| would| could| am|'m)\b(?: also| still| certainly| gladly| try to| definitely)* (?:help|\
assist|try|summari[sz]e|share|provide|explain|discuss|talk|describe|suggest|offer|support|guide|point|answer|do|be|\
look|work|happy|glad|here|unable|not|sorry|only|able|love|like|need|analy[sz]e|review|write|create)\b
(?:here(?:'s| is| are) (?:what|some|a few|other)|let's|we\b|there (?:are|may be) (?:other|many|several|plenty)|\
(?:any|for) other|you(?:'re| are)\b|your\b|the best (?:way|place)\b|a (?:doctor|lawyer|professional)\b|other\b)
(?:ich|wir) (?:kann|können|helfe|beantworte|unterstütze|stehe)\b|bei anderen\b|je (?:peux|suis|serai)\b|n'hésite
(?:puedo|estoy|estaré|con gusto)\b|(?:posso|estou|ficarei)\b|(?:posso|sono)\b|я (?:могу|готов|с радостью)|могу\b
我(?:可以|能|很乐意|会)|您?可以|他の|他に|別の|다른|도움
""")
# A choice: a shorter clause says nothing.
_SHORTEST: Final = 2
_MARKUP: Final = str.maketrans("\u2019", "'", '*_`#>"\u201c\u201d\u00bf\u00a1')
# Bytes for each pattern's automaton, as for the listed phrases.
_MEMORY: Final = 32 * 1024 * 1024


class _Pattern(Protocol):
    def search(self, text: str) -> re.Match[str] | None: ...


def _compiled(pattern: str) -> _Pattern:
    options = re2.Options()
    options.max_mem = _MEMORY
    return cast("_Pattern", re2.compile(f"(?i){pattern}", options))


_BEGINS: Final = _compiled(rf"^(?:{_LINK}|(?:{_PREFACE})\s*)*")
# An ASCII text needs no search for words of other scripts, which takes longer.
_DECLINES: Final = (_compiled(f"^(?:{_CANNOT}|{_ASKS})"), _compiled(f"^(?:{_CANNOT_LATIN}|{_ASKS_LATIN})"))
_LEADS_ELSEWHERE: Final = _compiled(f"^(?:{_ELSE})")
_OFFERS: Final = _compiled(f"^(?:{_OFFERS_SAID})")


def goes_on(text: str) -> bool:
    """Returns whether a text, which stands behind a refusal, turns to something else than a refusal's usual end."""
    bare = " ".join(text.translate(_MARKUP).split())
    for turn in _TURN.finditer(bare):
        clause = bare[turn.end() :].lstrip(" ,:")
        begun = clause[_end_of_opening(clause, 0) :]
        usual = (_LEADS_ELSEWHERE, _OFFERS, _DECLINES[begun.isascii()])
        if len(begun) >= _SHORTEST and not any(each.search(begun) for each in usual):
            return True
    return False


def only_declines(text: str) -> bool:
    """Returns whether every clause of a short text belongs to a refusal or asks for details."""
    if len(text) > _LONGEST:
        return False
    bare = " ".join(text.translate(_MARKUP).split())
    declining = _DECLINES[bare.isascii()]
    declines = False
    for clause in _clauses(bare):
        if declining.search(clause):
            declines = True
        elif not _LEADS_ELSEWHERE.search(clause):
            # Most texts end here, at their first clause.
            return False
    return declines and not goes_on(bare)


def _clauses(text: str) -> Iterator[str]:
    """Yields the clauses without the words that join them, and without who speaks."""
    at = _end_of_opening(text, 0)
    while at < len(text):
        end = _PARTS.search(text, at)
        clause = text[at : end.start() if end else len(text)].strip(" .!?,")
        if clause:
            yield clause
        at = _end_of_opening(text, end.end()) if end else len(text)


def _end_of_opening(text: str, begin: int) -> int:
    found = _BEGINS.search(text[begin:])
    return begin + found.end() if found else begin
