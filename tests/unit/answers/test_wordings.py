"""Wordings of the same text, and texts that differ in little but say something else, in many languages."""

from __future__ import annotations

import pytest

from lightrouter.answers.agreement import similarity

SAME = [
    ("The capital is Paris.", "The capital is **Paris**."), ("The capital is Paris.", "The capital is *Paris*."),
    ("Paris.", "**Paris**"), ("Paris", "paris."), ("Paris", "Paris!"), ('"Paris"', "Paris"),
    ("\u201cParis\u201d", "Paris"), ("**Paris.**", "Paris"), ("Paris\n", "Paris"), ("- a\n- b", "* a\n* b"),
    ("- a\n- b", "\u2022 a\n\u2022 b"), ("- a\n- b", "\u2013 a\n\u2013 b"), ("1. a\n2. b", "1) a\n2) b"),
    ("It\u2019s true.", "It's true."), ("It's true.", "It is true."), ("They're here.", "They are here."),
    ("I'm sure.", "I am sure."), ("You'll see.", "You will see."), ("We've won.", "We have won."),
    ("It isn't so.", "It is not so."), ("It can't be.", "It cannot be."), ("It won't work.", "It will not work."),
    ("You shouldn't go.", "You should not go."), ("The answer is 5.", "The answer is five."),
    ("It took 3 days", "It took three days."), ("There are 1,000 of them.", "There are 1000 of them."),
    ("It is 5.0 m.", "It is 5 m."), ("x\u00b2 is 4", "x^2 is 4"), ("x=5", "x = 5"), ("Yes, it is.", "Yes, it is!"),
    ("Yes \u2013 it is.", "Yes \u2014 it is."), ("Yes - it is.", "Yes \u2013 it is."), ("Wait...", "Wait\u2026"),
    ("café au lait", "café au lait"), ("한국은 크다.", "한국은 크다."),
    ("Vi\u1ec7t Nam r\u1ea5t đ\u1eb9p.", "Vi\u1ec7t Nam r\u1ea5t đ\u1eb9p."),
    ("हिन्दी अच्छी है\u0964", "हिन्दी अच्छी है"), ("東京です\u3002", "東京です"),
    ("東京です\u3002", "東京です\uff0e"), ("答案是\uff14\u3002", "答案是4\u3002"),
    ("答案是 4\u3002", "答案是4\u3002"), ("答案是\u201c四\u201d\u3002", '答案是"四"\u3002'),
    ("الجواب \u0664", "الجواب 4"), ("उत्तर \u096a है\u0964", "उत्तर 4 है"), ("你好,世界", "你好\uff0c世界"),
    ("你好\uff01", "你好\u3002"), ("它是A.", "它是A\u3002"), ("ใช่ครับ", "ใช่ครับ."),
    ("The U.S. is big.", "The U.S. is big"), ("color", "color."), ("Hello   world", "Hello world"),
    ("Hello\nworld", "Hello world"), ("Hello\u00a0world", "Hello world"), ("\ufb01ne art", "fine art"),
    ("Answer: 5", "**Answer:** 5"), ("**Answer: 5**", "Answer: 5"), ("Answer: **5**", "**Answer**: 5"),
    ("The answer is (B).", "The answer is **(B)**."), ("Let x be 2. Then y is 3.", "Let x be 2.\n\nThen y is 3."),
    ("At 10:30.", "At 10:30"), ("1/2", "0.5"), ("50%", "1/2"), ("$1,000", "1000"), ("4 July 1776", "July 4, 1776"),
    ("1776-07-04", "July 4th, 1776"), ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'), ('```json\n{"a": 1}\n```', '{"a":1}'),
    ('```json\n{"a": 1, "b": [1, 2]}\n```', '```\n{\n  "b": [1,2],\n  "a": 1\n}\n```'), ("[1, 2]", "[1,2]"),
    ("```python\nprint(1)\n```", "```py\nprint(1)\n```"), ("```python\nprint(1)\n```", "```\nprint(1)\n```"),
    ("(3, 4)", "(3,4)"), ("x = 5", "x=5.0"), ("Paris, France", "Paris,  France."), ("5 kg.", "5\u00a0kg"),
    ("He said 'no'.", "He said \u2018no\u2019."), ("\u00abOui\u00bb", '"Oui"'),
    ("The colour is red.", "The colour is red. "),
    ("First, add salt.\nSecond, stir.", "First, add salt. Second, stir."),
    ("Two plus two is four.", "2 plus 2 is 4."),
]  # fmt: skip

APART = [
    ("It is true.", "It is not true."), ("He came.", "He never came."), ("Il est venu.", "Il n'est pas venu."),
    ("Il vient.", "Il ne vient jamais."), ("Es ist wahr.", "Es ist nicht wahr."),
    ("Er hat Zeit.", "Er hat keine Zeit."), ("Er hat eine Katze.", "Er hat keine Katze."),
    ("Es verdad.", "No es verdad."), ("Siempre funciona.", "Nunca funciona."), ("É verdade.", "Não é verdade."),
    ("È vero.", "Non è vero."), ("Het is waar.", "Het is niet waar."),
    ("Hij heeft een hond.", "Hij heeft geen hond."), ("Det är sant.", "Det är inte sant."),
    ("Det er sandt.", "Det er ikke sandt."), ("Se on totta.", "Se ei ole totta."),
    ("To jest prawda.", "To nie jest prawda."), ("Je to pravda.", "Není to pravda."), ("Ez igaz.", "Ez nem igaz."),
    ("Este adevărat.", "Nu este adevărat."), ("Bu doğru.", "Bu doğru değil."), ("Gidiyorum.", "Gitmiyorum."),
    ("Geliyor.", "Gelmiyor."), ("Это правда.", "Это неправда."),
    ("\u041e\u043d пришёл.", "\u041e\u043d \u043d\u0435 пришёл."),
    ("\u0414\u043e\u043c \u0435\u0441\u0442\u044c.", "\u0414\u043e\u043c\u0430 \u043d\u0435\u0442."),
    ("Це правда.", "Це \u043d\u0435 правда."), ("Είναι αλήθεια.", "Δεν είναι αλήθεια."), ("זה נכון.", "זה לא נכון."),
    ("هذا صحيح.", "هذا غير صحيح."), ("هو هنا.", "هو ليس هنا."), ("جاء الرجل.", "لم يأت الرجل."),
    ("این درست است.", "این درست نیست."), ("یہ درست ہے\u06d4", "یہ درست نہیں ہے\u06d4"),
    ("यह सच है\u0964", "यह सच नहीं है\u0964"), ("এটা সত্য\u0964", "এটা সত্য নয়\u0964"),
    ("இது உண்மை.", "இது உண்மை இல்லை."), ("ఇది నిజం.", "ఇది నిజం కాదు."), ("ಇದು ನಿಜ.", "ಇದು ನಿಜವಲ್ಲ."),
    ("ഇത് സത്യമാണ്.", "ഇത് സത്യമല്ല."), ("ਇਹ ਸੱਚ ਹੈ\u0964", "ਇਹ ਸੱਚ ਨਹੀਂ ਹੈ\u0964"), ("આ સાચું છે.", "આ સાચું નથી."),
    ("这是真的\u3002", "这不是真的\u3002"), ("他来了\u3002", "他没来\u3002"), ("可以\u3002", "不可以\u3002"),
    ("必须去\u3002", "不必去\u3002"), ("別去\u3002", "去\u3002"), ("無罪です\u3002", "有罪です\u3002"),
    ("これは正しい\u3002", "これは正しくない\u3002"), ("行きます\u3002", "行きません\u3002"),
    ("できます\u3002", "できません\u3002"), ("있습니다.", "없습니다."), ("맞습니다.", "맞지 않습니다."),
    ("합니다.", "안 합니다."), ("Đúng.", "Không đúng."), ("Anh \u1ea5y đ\u1ebfn.", "Anh \u1ea5y chưa đ\u1ebfn."),
    ("Ini benar.", "Ini tidak benar."), ("Dia guru.", "Dia bukan guru."), ("จริง", "ไม่จริง"), ("เขามา", "เขาไม่มา"),
    ("ນີ້ແມ່ນຄວາມຈິງ", "ນີ້ບໍ່ແມ່ນຄວາມຈິງ"), ("នេះពិត", "នេះមិនពិត"), ("ဒါမှန်တယ်", "ဒါမမှန်ဘူး"),
    ("འདི\u0f0bབདེན\u0f0d", "འདི\u0f0bམི\u0f0bབདེན\u0f0d"), ("Ni kweli.", "Si kweli."),
    ("Totoo ito.", "Hindi ito totoo."), ("Dit is waar.", "Dit is nie waar nie."), ("Tá sé fíor.", "Níl sé fíor."),
    ("Mae'n wir.", "Nid yw'n wir."), ("Egia da.", "Ez da egia."),
    ("\u10db\u10d0\u10e0\u10d7\u10d0\u10da\u10d8\u10d0.",
     "\u10d0\u10e0 \u10d0\u10e0\u10d8\u10e1 \u10db\u10d0\u10e0\u10d7\u10d0\u10da\u10d8."),
    ("Ճիշտ է\u0589", "Ճիշտ չէ\u0589"), ("እውነት ነው\u1362", "እውነት አይደለም\u1362"),
    ("Alice beats Bob.", "Bob beats Alice."), ("Add milk to eggs.", "Add eggs to milk."),
    ("A implies B.", "B implies A."), ("Subtract 3 from 5.", "Subtract 5 from 3."),
    ("Divide a by b.", "Divide b by a."), ("Fly from Paris to Rome.", "Fly from Rome to Paris."),
    ("The cat ate the mouse.", "The cat was eaten by the mouse."),
    ("The mouse was eaten by the cat.", "The cat was eaten by the mouse."),
    ("Tom is older than Ann.", "Ann is older than Tom."), ("Tom is older than Ann.", "Tom is younger than Ann."),
    ("Tom owes Ann 5.", "Ann owes Tom 5."), ("x is greater than y", "x is less than y"),
    ("x is at least 5", "x is at most 5"), ("x is more than 5", "x is no more than 5"),
    ("It is as big as B.", "It is not as big as B."), ("Better than A.", "Worse than A."),
    ("The most.", "The least."), ("All birds fly.", "Some birds fly."), ("All birds fly.", "No birds fly."),
    ("Every child came.", "Not every child came."), ("Few came.", "A few came."),
    ("Little is known.", "A little is known."), ("Both are right.", "Neither is right."),
    ("Both are right.", "Either is right."), ("Only Tom came.", "Tom only came."),
    ("Only he can go.", "He can only go."), ("Most agree.", "Many agree."), ("Any of them.", "None of them."),
    ("Always lock it.", "Sometimes lock it."), ("Do it before lunch.", "Do it after lunch."),
    ("Do it until noon.", "Do it from noon."), ("While reading.", "After reading."), ("Since 1990.", "Until 1990."),
    ("By Monday.", "On Monday."), ("Within an hour.", "After an hour."), ("In the box.", "On the box."),
    ("Under it.", "Over it."), ("Above it.", "Below it."), ("Inside it.", "Outside it."),
    ("With sugar.", "Without sugar."), ("Because of it.", "Despite it."), ("If it rains.", "Unless it rains."),
    ("and so on", "or so on"), ("A and B", "A or B"), ("A but B", "A or B"), ("He may go.", "He must go."),
    ("You can go.", "You cannot go."), ("You should go.", "You shouldn't go."), ("You must go.", "You need not go."),
    ("You must not go.", "You need not go."), ("It will rain.", "It would rain."), ("It rained.", "It rains."),
    ("He lives here.", "He lived here."), ("She has left.", "She had left."), ("It is done.", "It is being done."),
    ("It could be.", "It should be."), ("legal", "illegal"), ("It is legal.", "It is illegal."),
    ("It was moral.", "It was immoral."), ("regular", "irregular"), ("It is relevant.", "It is irrelevant."),
    ("It is complete.", "It is incomplete."), ("connected", "disconnected"), ("It is honest.", "It is dishonest."),
    ("He is able.", "He is unable."), ("It is stable.", "It is unstable."), ("It is typical.", "It is atypical."),
    ("symmetric", "asymmetric"), ("It is useful.", "It is useless."), ("hopeful", "hopeless"),
    ("It is overrated.", "It is underrated."), ("overestimate", "underestimate"), ("inflation", "deflation"),
    ("increase", "decrease"), ("import", "export"), ("include", "exclude"), ("internal", "external"),
    ("upload", "download"), ("ascending", "descending"), ("maximum", "minimum"), ("positive", "negative"),
    ("even", "odd"), ("true", "false"), ("Yes.", "No."), ("left", "right"), ("hot", "cold"), ("open", "closed"),
    ("on", "off"), ("in", "out"), ("He", "She"), ("his book", "her book"), ("my book", "your book"), ("they", "we"),
    ("the cat", "a cat"), ("cats", "cat"), ("this", "that"), ("here", "there"), ("He must leave.", "He might leave."),
    ("It is likely.", "It is unlikely."), ("It's the first.", "It's the last."), ("The former.", "The latter."),
    ("north", "south"), ("East Berlin", "West Berlin"), ("10 a.m.", "10 p.m."), ("10 AM", "10 PM"),
    ("500 BC", "500 AD"), ("Take 5 mg.", "Take 5 mcg."), ("5 kg", "5 lb"), ("5 km", "5 mi"),
    ("5 \u00b0C", "5 \u00b0F"), ("Add 5 ml.", "Add 5 l."), ("$5", "\u00a35"), ("It is 5%.", "It is 5\u2030."),
    ("It is 5%.", "It is 5."), ("It is 1.5", "It is 15"), ("It is 1,5", "It is 15"), ("It is 3-4", "It is 34"),
    ("It is -5.", "It is 5."), ("It is \u22125.", "It is 5."), ("It is \u2013 5.", "It is 5."),
    ("It is 10^6.", "It is 10^-6."), ("It is 10\u2076.", "It is 10\u207b\u2076."), ("H2O", "H2O2"), ("Na+", "Na"),
    ("It is Fe2+.", "It is Fe3+."), ("x\u2081", "x\u2082"), ("x\u00b2", "x\u00b3"), ("\u00bd cup", "\u00bc cup"),
    ("\u2460 first", "\u2461 first"), ("Article 5", "Article 6"), ("Henry VI", "Henry IV"),
    ("World War I", "World War II"), ("Type A", "Type B"), ("Answer: A", "Answer: B"),
    ("The answer is (A).", "The answer is (B)."), ("版本1", "版本2"), ("三月", "四月"), ("三十", "十三"),
    ("二百", "二千"), ("第一", "第二"), ("大", "小"), ("上", "下"), ("左", "右"), ("前", "后"), ("多", "少"),
    ("增加", "减少"), ("高于", "低于"), ("以上", "以下"), ("之前", "之后"), ("北", "南"), ("他", "她"), ("买", "卖"),
    ("从北京到上海", "从上海到北京"), ("A比B大", "B比A大"), ("狗咬人", "人咬狗"), ("猫が犬を見た", "犬が猫を見た"),
    ("一つ", "二つ"), ("前日", "後日"), ("午前10時", "午後10時"), ("오전 10시", "오후 10시"), ("위", "아래"),
    ("철수가 영희를 봤다", "영희가 철수를 봤다"), ("तीन", "चार"), ("राम ने सीता को देखा", "सीता ने राम को देखा"),
    ("ऊपर", "नीचे"), ("ثلاثة", "أربعة"), ("قبل", "بعد"), ("فوق", "تحت"), ("كَتَبَ", "كُتِبَ"), ("קֹדֶשׁ", "קֶדֶשׁ"),
    ("\u0442\u0440\u0438", "\u0447\u0435\u0442\u044b\u0440\u0435"),
    ("\u0434\u043e", "\u043f\u043e\u0441\u043b\u0435"),
    ("\u0431\u043e\u043b\u044c\u0448\u0435", "\u043c\u0435\u043d\u044c\u0448\u0435"), ("trois", "quatre"),
    ("avant", "après"), ("plus grand", "moins grand"), ("drei", "vier"), ("vor", "nach"), ("mehr", "weniger"),
    ("más", "menos"), ("mas", "más"), ("tu", "tú"), ("si", "sí"), ("el", "él"), ("ano", "año"), ("schon", "schön"),
    ("ou", "où"), ("peche", "pêche"), ("mate", "maté"), ("สาม", "สี่"), ("ก่อน", "หลัง"), ("ใกล้", "ไกล"),
    ("บน", "ล่าง"), ("ສາມ", "ສີ່"), ("បី", "បួន"), ("သုံး", "လေး"), ("གསུམ", "བཞི"), ("மூன்று", "நான்கு"),
    ("முன்", "பின்"), ("`a < b`", "`a <= b`"), ("`a == b`", "`a != b`"), ("`a[0]`", "`a[1]`"), ("`a[i]`", "`a[i+1]`"),
    ("`x += 1`", "`x -= 1`"), ("`i++`", "`++i`"), ("`a && b`", "`a || b`"), ("`a & b`", "`a && b`"),
    ("`a and b`", "`a or b`"), ("`not a`", "`a`"), ("`!a`", "`a`"), ("`a ? b : c`", "`a ? c : b`"),
    ("`f(a, b)`", "`f(b, a)`"), ("`range(n)`", "`range(n-1)`"), ("`range(n)`", "`range(n + 1)`"),
    ("`a // b`", "`a / b`"), ("`a % b`", "`a / b`"), ("`a ** b`", "`a * b`"), ("`a << 1`", "`a >> 1`"),
    ("`True`", "`False`"), ("`None`", "`0`"), ('`"a"`', "`a`"), ("`a.sort()`", "`sorted(a)`"),
    ("`min(a)`", "`max(a)`"), ("`first`", "`last`"), ("`push`", "`pop`"), ("`a = b`", "`b = a`"), ("`a.b`", "`a,b`"),
    ("`a->b`", "`a.b`"), ("`*p`", "`p`"), ("`&p`", "`*p`"), ("`i < n; i++`", "`i > n; i--`"),
    ("SELECT * FROM t ORDER BY a ASC", "SELECT * FROM t ORDER BY a DESC"),
    ("SELECT a FROM t WHERE b > 1", "SELECT a FROM t WHERE b >= 1"), ("LEFT JOIN b", "RIGHT JOIN b"),
    ("WHERE a AND b", "WHERE a OR b"), ("WHERE a IS NULL", "WHERE a IS NOT NULL"), ("a IN (1,2)", "a NOT IN (1,2)"),
    ("LIMIT 10", "LIMIT 100"), ("GROUP BY a", "GROUP BY b"),
    ("INSERT INTO a SELECT * FROM b", "INSERT INTO b SELECT * FROM a"), ("rm -r a", "rm -rf a"), ("cp a b", "cp b a"),
    ("chmod 644 f", "chmod 755 f"), ("git reset --soft", "git reset --hard"), ("ls > a", "ls >> a"),
    ("a | b", "b | a"), ("`\\d+`", "`\\D+`"), ("`^a`", "`a^`"), ("`[abc]`", "`[^abc]`"), ("`.*`", "`.+`"),
    ("`a*?`", "`a*`"), ("```\nif a:\n    b\n    c\n```", "```\nif a:\n    b\nc\n```"),
    ("```\na\nb\n```", "```\nb\na\n```"), ("return True", "return False"), ("return a", "return -a"),
    ("i = 0", "i = 1"), ("while x > 0", "while x >= 0"), ("def f(a, b=1)", "def f(a, b=2)"), ("O(n)", "O(n\u00b2)"),
    ("O(n log n)", "O(log n)"), ('{"a": true}', '{"a": false}'), ('{"a": 1, "b": 2}', '{"a": 2, "b": 1}'),
    ('{"a": null}', '{"a": 0}'), ("[1, 2]", "[2, 1]"), ("[1, 2]", "[12]"), ('{"a": "1"}', '{"a": 1}'),
    ("<b>x</b>", "<i>x</i>"), ("http://a.com", "https://a.com"), ("a@b.com", "a@c.com"), ("/a/b", "/b/a"),
    ("*.txt", "*.csv"), ("x = y", "x \u2260 y"), ("x \u2192 y", "x \u2190 y"), ("A \u2282 B", "B \u2282 A"),
    ("\u2200x", "\u2203x"), ("A \u222a B", "A \u2229 B"), ("x \u2208 A", "x \u2209 A"),
    ("\\frac{a}{b}", "\\frac{b}{a}"), ("\\sum_{i=0}", "\\sum_{i=1}"), ("\\sin x", "\\cos x"), ("x_{1}", "x_{2}"),
    ("x^{2}", "x^{3}"), ("$\\le$", "$\\ge$"), ("$a<b$", "$a>b$"), ("dx/dt", "dt/dx"), ("\U0001f44d", "\U0001f44e"),
    ("It is \u2705", "It is \u274c"), ("A \u2713", "A \u2717"), ("\u2605\u2605\u2605", "\u2605\u2605"),
    ("\u2640", "\u2642"), ("I \u2764\ufe0f it", "I \U0001f494 it"), ("\U0001f1eb\U0001f1f7", "\U0001f1e9\U0001f1ea"),
]  # fmt: skip

# A cut text says something from here on.
_FEWEST = 12
CUT = [
    (
        "The capital of **France** is *Paris*, which isn't big \u2014 but 1,000 km w"
        "ide. It's so.\n\n1) First x = 5\n2) Then a >= b\n```python\nx = 5 -- 3\n```\nDone!"
    ),
    "答案是 4\uff0c因为 2 + 2 = 4\u3002所以 A 是对的 \u2014 不是 B\u3002",
    "答えは 4 です\u3002なぜなら x = 5 だから\u3001AとBは同じ\u3002",
    "정답은 4입니다. 왜냐하면 2 + 2 = 4 이기 때문입니다.",
    "उत्तर \u096a है क्योंकि \u0968 + \u0968 = \u096a है\u0964",
    "الجواب هو \u0664 لأن \u0662 + \u0662 = \u0664.",
    "คำตอบคือ 4 เพราะ 2 + 2 = 4 นะครับ",
    "It's 10\u207b\u2076 m\u00b2 \u2013 not 10\u00b2 \u2013 and can't be x\u00b2 = 4.",
    "He said \u201cno \u2013 never\u201d and 'yes'. They're 1.0 and 2,000.00 big.",
    "- **One**: it is so.\n- **Two**: it's not.\n  - sub = 3",
    "\\(x = 5\\) and $y \\le 3$, so \\frac{1}{2} = 0.5.",
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_one_text_in_two_spellings_is_the_same(left: str, right: str) -> None:
    assert similarity(left, right) == pytest.approx(1.0)


@pytest.mark.parametrize(("left", "right"), APART)
def test_what_differs_decides(left: str, right: str) -> None:
    assert similarity(left, right) <= 0.75
    # Not even if everything around it is the same.
    before, behind = "We looked at it. ", " So we stop here, as was said before by all of the people who were asked."
    assert similarity(f"{before}{left}{behind}", f"{before}{right}{behind}") <= 0.6


@pytest.mark.parametrize("text", CUT)
def test_a_text_cut_anywhere_begins_the_whole(text: str) -> None:
    for end in range(_FEWEST, len(text)):
        assert similarity(text[:end], text, left_complete=False) == pytest.approx(1.0), text[:end]
