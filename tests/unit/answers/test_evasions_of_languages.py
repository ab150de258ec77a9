"""Refusals, openings and echoes as models of many languages write them, and the answers that look like them."""

from __future__ import annotations

import pytest

from lightrouter.answers.evasions import Evasions
from lightrouter.answers.tokens import read

MOUNTAIN = "What is the tallest mountain in the solar system, and how high is it above its base?"
REFUSALS = [
    "I'm sorry, but I cannot assist with that request.", "I apologize, but I cannot provide that information.",
    "I apologize, but I'm not able to help with this.", "Sorry, but I can't do that.",
    "Sorry, I can't help you with that.", "I'm afraid I can't help with that.",
    "I am unable to fulfill this request.", "I'm unable to assist.", "I can't comply with that request.",
    "I cannot comply.", "I can't engage with this topic.", "I can't discuss that topic.",
    "I'm not comfortable answering this.", "I don't feel comfortable discussing this.", "I'd prefer not to answer.",
    "I must respectfully decline.", "I will not provide this.", "I won't be able to help with that.",
    "I will not be able to assist.", "As an AI, I cannot answer that.",
    "As an AI language model, I don't have personal opinions.",
    "As a large language model, I am not able to browse the internet.", "As an AI assistant, I can't help with that.",
    "As an artificial intelligence, I do not have feelings.", "As an AI developed by OpenAI, I can't do that.",
    "As an AI, I'm unable to answer.", "I'm just an AI, I can't answer this.",
    "I'm an AI and cannot give an opinion.", "I am an AI language model and do not have access to real-time data.",
    "I don't have access to real-time information.", "I do not have the ability to browse.",
    "I don't have enough information to answer.", "I don't have enough context to answer that.",
    "I cannot determine the answer from the given information.", "I'm not able to access external websites.",
    "I can't access the internet.", "I cannot view images.", "I'm unable to see images.", "I can't browse the web.",
    "Sorry, I don't know.", "I don't know the answer.", "I do not know the answer to that question.",
    "Unfortunately, I cannot help with this request.", "Unfortunately, I don't have that information.",
    "I have no information about that.", "This content may violate our usage policies.",
    "This violates OpenAI's content policy.", "I can't provide medical advice.", "I can't give legal advice.",
    "I'm not qualified to give medical advice.", "I cannot offer financial advice.",
    "That's something I can't help with.", "That's not something I can help with.",
    "This is not something I'm able to discuss.", "I can't answer that question.", "I cannot answer.", "No comment.",
    "I'd rather not say.", "I must decline this request.", "I have to decline.",
    "My guidelines prevent me from answering.", "My programming does not allow me to answer.",
    "I am programmed not to answer this.", "I am not allowed to talk about that.", "I'm not permitted to share it.",
    "I was not able to find an answer.", "I couldn't find any information on that.", "I could not find the answer.",
    "Let's talk about something else.", "Let's change the topic.", "Can we talk about something else?",
    "Hmm, I can't help with that.", "Oops, I can't answer that.", "I really can't help you here.",
    "We cannot process your request at this time.", "I cannot process this request.",
    "I can't generate that content.", "I cannot create that.", "I'm not going to help with that.",
    "I'm not going to answer that.", "I refuse to answer.", "I can not answer this.", "I cant help with that.",
    "im sorry i cant help with that", "Im unable to help.", "I\u2019m sorry, I can\u2019t assist with that.",
    "**I'm sorry, but I can't help with that.**", "\"I'm sorry, I can't help with that.\"",
    "> I cannot help with that.", "Es tut mir leid, aber ich kann diese Anfrage nicht erfüllen.",
    "Tut mir leid, dabei kann ich nicht helfen.", "Leider kann ich diese Frage nicht beantworten.",
    "Ich kann dazu keine Auskunft geben.", "Ich kann Ihnen dazu leider keine Informationen geben.",
    "Als KI-Sprachmodell habe ich keine Meinung.", "Als KI kann ich das nicht beantworten.",
    "Das kann ich leider nicht beantworten.", "Ich möchte darauf nicht antworten.", "Dazu kann ich nichts sagen.",
    "Ich weiß es leider nicht.", "Darüber möchte ich nicht sprechen.",
    "Je suis désolé, mais je ne peux pas répondre à cette question.", "Désolé, je ne peux pas vous aider avec ça.",
    "Je ne suis pas en mesure de répondre.", "Je ne peux pas répondre à cela.",
    "En tant qu'IA, je ne peux pas répondre.", "En tant que modèle de langage, je n'ai pas d'opinion.",
    "Malheureusement, je ne peux pas fournir cette information.",
    "Je regrette, mais je ne peux pas accéder à votre demande.", "Je préfère ne pas répondre.",
    "Je n'ai pas cette information.", "Je ne dispose pas de cette information.",
    "Je ne suis pas autorisé à répondre.", "Lo siento, no puedo responder a esa pregunta.",
    "Lo siento, pero no puedo ayudar con eso.", "Lamentablemente, no puedo proporcionar esa información.",
    "No me es posible responder.", "Como modelo de lenguaje, no tengo opiniones.", "Como IA, no puedo responder.",
    "Disculpa, no puedo hacerlo.", "No estoy autorizado para responder.", "Prefiero no responder.",
    "No dispongo de esa información.", "Desculpe, mas não posso ajudar com isso.",
    "Sinto muito, mas não posso responder.", "Infelizmente, não consigo responder a isso.",
    "Como uma IA, não posso responder.", "Como modelo de linguagem, não tenho opiniões.",
    "Lamento, mas não posso fornecer essa informação.", "Não sou capaz de responder.",
    "Mi dispiace, ma non posso rispondere.", "Mi dispiace, non posso aiutarti con questa richiesta.",
    "Purtroppo non posso fornire queste informazioni.", "Come IA, non posso rispondere.",
    "In quanto modello linguistico, non ho opinioni.", "Non sono autorizzato a rispondere.",
    "Het spijt me, maar ik kan die vraag niet beantwoorden.", "Sorry, daar kan ik niet bij helpen.",
    "Als AI kan ik dat niet beantwoorden.", "Helaas kan ik deze vraag niet beantwoorden.",
    "Jag kan tyvärr inte svara på den frågan.", "Beklager, jeg kan ikke hjelpe med det.",
    "Jeg kan desværre ikke hjælpe dig med det.", "Valitettavasti en voi auttaa siinä.",
    "Przepraszam, ale nie mogę odpowiedzieć na to pytanie.", "Niestety nie mogę w tym pomóc.",
    "Jako model językowy nie mam opinii.", "Omlouvám se, ale s tím vám nemohu pomoci.",
    "Je mi líto, ale nemohu odpovědět.", "Sajnálom, de ebben nem tudok segíteni.",
    "Îmi pare rău, dar nu pot răspunde la această întrebare.", "Žao mi je, ali ne mogu pomoći s tim.",
    "Съжалявам, \u043d\u043e \u043d\u0435 \u043c\u043e\u0433\u0430 да помогна \u0441 \u0442\u043e\u0432\u0430.",
    "Жао ми \u0458\u0435, \u043d\u0435 \u043c\u043e\u0433\u0443 да помогнем.",
    "Извините, \u043d\u043e я \u043d\u0435 \u043c\u043e\u0433\u0443 ответить \u043d\u0430 этот вопрос.",
    "\u041a сожалению, я \u043d\u0435 \u043c\u043e\u0433\u0443 помочь \u0441 этим.",
    "\u041a\u0430\u043a языковая модель, я \u043d\u0435 имею мнения.",
    "Я \u043d\u0435 \u043c\u043e\u0433\u0443 обсуждать эту \u0442\u0435\u043c\u0443.",
    "Простите, \u043d\u043e я \u043d\u0435 \u043c\u043e\u0433\u0443 выполнить этот запрос.",
    "\u041a\u0430\u043a ИИ, я \u043d\u0435 \u043c\u043e\u0433\u0443 ответить.",
    "Вибачте, але я \u043d\u0435 можу допомогти \u0437 цим.", "\u041d\u0430 жаль, я \u043d\u0435 можу відповісти.",
    "Λυπάμαι, αλλά δεν μπορώ \u03bd\u03b1 βοηθήσω με αυτό.", "Üzgünüm, bu soruya cevap veremem.",
    "Üzgünüm, ama bu konuda yard\u0131mc\u0131 olam\u0131yorum.", "Maalesef bu isteği yerine getiremem.",
    "آسف\u060c لا أستطيع الإجابة عن ذلك.", "عذرًا\u060c لا يمكنني المساعدة في هذا الطلب.",
    "أعتذر\u060c لكن لا يمكنني تقديم هذه المعلومات.", "بصفتي نموذج لغة\u060c لا أملك آراء.",
    "متاسفم\u060c نمی توانم کمک کنم.", "معذرت\u060c مدد نہیں کر سکتا\u06d4",
    "מצטער, אני לא יכול לעזור בזה.", "אני מצטערת, אבל איני יכולה לענות.", "סליחה, לא אוכל לעזור בכך.",
    "क्षमा करें, मैं इस प्रश्न का उत्तर नहीं दे सकता\u0964",
    "मुझे खेद है, लेकिन मैं इसमें आपकी सहायता नहीं कर सकती\u0964", "माफ़ कीजिए, मैं इसका जवाब नहीं दे सकता\u0964",
    "দুঃখিত, আমি এই প্রশ্নের উত্তর দিতে পারব না\u0964", "দুঃখিত, আমি এতে সাহায্য করতে পারছি না\u0964",
    "மன்னிக்கவும், என்னால் இதற்கு உதவ முடியாது.", "క్షమించండి, నేను దీనికి సహాయం చేయలేను.",
    "ക്ഷമിക്കണം, എനിക്ക് സഹായിക്കാൻ കഴിയില്ല.", "ಕ್ಷಮಿಸಿ, ನಾನು ಇದಕ್ಕೆ ಸಹಾಯ ಮಾಡಲು ಸಾಧ್ಯವಿಲ್ಲ.",
    "माफ करा, मी यात मदत करू शकत नाही.", "માફ કરશો, હું આમાં મદદ કરી શકતો નથી.",
    "ਮਾਫ਼ ਕਰਨਾ, ਮੈਂ ਇਸ ਵਿੱਚ ਮਦਦ ਨਹੀਂ ਕਰ ਸਕਦਾ\u0964", "抱歉\uff0c我不能回答这个问题\u3002",
    "很抱歉\uff0c我无法提供帮助\u3002", "对不起\uff0c我无法满足您的请求\u3002",
    "作为一个人工智能\uff0c我没有个人观点\u3002", "作为AI语言模型\uff0c我无法回答\u3002",
    "很遗憾\uff0c我不能协助您\u3002", "我不知道答案\u3002", "抱歉\uff0c我没有相关信息\u3002",
    "對不起\uff0c我無法協助您完成這項要求\u3002", "我不能讨论这个话题\u3002", "这个问题我无法回答\u3002",
    "你好\uff0c这个问题我暂时无法回答\uff0c让我们换个话题再聊聊吧\u3002", "我无法给到相关内容\u3002",
    "抱歉\uff0c作为一个AI助手\uff0c我不能帮您做这件事\u3002", "申し訳ありませんが\u3001お答えできません\u3002",
    "申し訳ございませんが\u3001そのご質問にはお答えしかねます\u3002", "すみませんが\u3001それはできません\u3002",
    "申し訳ありません\u3001そのリクエストにはお応えできません\u3002", "AIとして\u3001個人的な意見はありません\u3002",
    "恐れ入りますが\u3001お手伝いできません\u3002", "ごめんなさい\u3001それについてはお答えできません\u3002",
    "その情報は提供できません\u3002", "残念ながら\u3001その質問には答えられません\u3002",
    "죄송하지만 그 질문에는 답변할 수 없습니다.", "죄송합니다. 도움을 드릴 수 없습니다.",
    "죄송합니다만 그 요청은 들어드릴 수 없습니다.", "저는 AI 언어 모델로서 개인적인 의견이 없습니다.",
    "미안하지만 도와줄 수 없어요.", "알려드릴 수 없습니다.",
    "Xin l\u1ed7i, tôi không th\u1ec3 tr\u1ea3 l\u1eddi câu h\u1ecfi này.",
    "R\u1ea5t ti\u1ebfc, tôi không th\u1ec3 h\u1ed7 tr\u1ee3 yêu c\u1ea7u này.",
    "Maaf, saya tidak bisa menjawab pertanyaan itu.", "Maaf, saya tidak dapat memenuhi permintaan Anda.",
    "Maaf, saya tidak boleh membantu dengan itu.", "ขอโทษครับ ผมไม่สามารถตอบคำถามนี้ได้",
    "ขออภัยค่ะ ไม่สามารถให้ข้อมูลนี้ได้", "ຂໍອະໄພ, ຂ້ອຍບໍ່ສາມາດຊ່ວຍໄດ້", "សូមទោស ខ្ញុំមិនអាចជួយបានទេ",
    "ဝမ်းနည်းပါတယ်\u104a ကျွန်တော် မကူညီနိုင်ပါဘူး\u104b", "Samahani, siwezi kukusaidia na hilo.",
    "Paumanhin, hindi kita matutulungan diyan.", "Jammer, ek kan nie daarmee help nie.",
    "Barkatu, ezin dizut lagundu.", "Ho sento, no puc ajudar-te amb això.", "Síntoo, non podo axudarche con iso.",
]  # fmt: skip
OPENINGS = [
    "Let's think step by step.", "Let's break it down:", "Let's analyze the question.",
    "Let's go through the options one by one.", "Let's consider each option.", "To find the answer,",
    "Sure! I'd be happy to help.", "Sure thing!", "Sure, here's the answer:", "Sure! Here is the answer:",
    "Here's the answer:", "Here is the solution:", "Here's my answer:", "Of course! Here's the answer:",
    "Certainly! Here is", "Certainly, let me explain.", "Absolutely! Let me help.", "Great question! Let's dive in.",
    "Good question.", "That's a great question!", "That's an interesting question.", "I'd be happy to help!",
    "I'd be glad to help.", "Happy to help!", "Okay, so", "Okay, let's see.", "Hmm, let me think.", "Hmm.", "Wait,",
    "So,", "So the answer is", "Thus, the answer is", "Therefore, the answer is", "Therefore, the correct answer is",
    "Hence, the answer is", "The answer is:", "The answer is (", "The correct answer is **",
    "The final answer is $\\boxed{", "\\boxed{", "$\\boxed{", "#### ", "**Answer:**", "**Answer**: ", "### Answer",
    "**Solution:**", "Solution:", "Explanation:", "**Step 1:**", "First, we need to", "Thinking...", "Processing...",
    "Loading...", "<thinking>", "<think>\n", "<think>\nOkay,", "<answer>", '{"answer":', '{"answer": "', "Question:",
    "Answer", "Response:", "Output:", "Result:", "Lass uns Schritt für Schritt denken.",
    "Lass uns Schritt für Schritt denken. Die Antwort ist", "Die richtige Antwort ist",
    "Die richtige Antwort lautet:", "Gerne!", "Natürlich!", "Klar, hier ist die Antwort:",
    "Réfléchissons étape par étape.", "La bonne réponse est", "La réponse est :", "Bien sûr !",
    "Bien sûr, voici la réponse :", "Pensemos paso a paso.", "La respuesta correcta es", "\u00a1Claro!",
    "Por supuesto.", "Vamos pensar passo a passo.", "A resposta correta é", "Claro!", "La risposta corretta è",
    "Certo!", "Давайте подумаем шаг \u0437\u0430 шагом.", "Правильный \u043e\u0442\u0432\u0435\u0442:",
    "\u041e\u0442\u0432\u0435\u0442 \u2014", "\u041a\u043e\u043d\u0435\u0447\u043d\u043e!",
    "\u0425\u043e\u0440\u043e\u0448\u043e,", "Odpowiedź:", "Prawidłowa odpowiedź to", "Het antwoord is", "Svaret är",
    "Cevap:", "Doğru cevap", "الجواب هو", "الإجابة الصحيحة هي", "بالتأكيد!", "सही उत्तर है", "उत्तर:",
    "让我们一步一步思考\u3002", "让我们一步一步来思考\u3002答案是", "好的\uff0c", "好的\u3002", "当然\uff01",
    "当然可以\uff01", "正确答案是", "因此\uff0c答案是", "所以答案是", "答案\uff1a", "答案为", "解\uff1a",
    "首先\uff0c", "ステップバイステップで考えましょう\u3002", "正解は", "答えは", "もちろんです\uff01",
    "したがって\u3001答えは", "정답은", "답:", "답은", "단계별로 생각해 봅시다.", "물론입니다!", "따라서 정답은",
    "คำตอบคือ", "คำตอบที่ถูกต้องคือ", "แน่นอน!", "Câu tr\u1ea3 l\u1eddi là", "Đáp án là", "Đáp án đúng là",
    "Jawabannya adalah", "Jawaban yang benar adalah", "Tentu!",
]  # fmt: skip
ANSWERS = [
    "I'm sorry for the confusion. The tallest is Olympus Mons.", "Sorry for the delay! It's Olympus Mons, 22 km.",
    "I apologize for the earlier mistake. The answer is Olympus Mons.", "I'm sorry to hear that. Try drinking water.",
    "I can't help but admire Olympus Mons, the tallest at 22 km.", "I cannot overstate how tall it is: Olympus Mons.",
    "You cannot see it from Earth: Olympus Mons.", "As an AI enthusiast, I'd say Olympus Mons.",
    "As an AI, I can tell you that it is Olympus Mons.",
    "As an AI language model, I can say: Olympus Mons, at 22 km.",
    "Unfortunately, nobody has climbed it: Olympus Mons.", "I don't know of any taller mountain than Olympus Mons.",
    "I don't know why people doubt it; it's Olympus Mons, 22 km.",
    "If I can't find a taller one, it is Olympus Mons.", "I'm not sure, but I think it is Olympus Mons.",
    "I am not able to give an exact height, but Olympus Mons is about 22 km above its base.",
    "I can't give an exact figure, but it's about 22 km: Olympus Mons.",
    "I cannot provide a picture, but the tallest mountain is Olympus Mons.",
    "While I cannot verify it, the tallest is Olympus Mons.",
    "Although I can't browse the web, Olympus Mons is 22 km high.",
    "I'm unable to browse, however Olympus Mons is the tallest, 22 km.", "Sorry, but the answer is Olympus Mons.",
    "The request was denied in 1990; Olympus Mons.", "He said, \"I can't help you.\"",
    "The sign says that we cannot help.", "\"I can't answer that\" is what the character says.",
    "Dear Ann,\nI'm sorry that I couldn't attend your party.", "Dear Sir, I am writing to apologize for the delay.",
    "We were unable to reproduce it, so x is 5.", "She could not answer, so she left.", "The server returned 404.",
    "The function cannot return null.", "Use try/except if you cannot open the file.",
    "It is against the policy of the firm to refund.", "None.", "Unknown.",
    "Not enough information is the third option.", "Nicht schuldig.",
    "Ich kann nicht schwimmen ist auf Englisch: I can't swim.", "Er kann nicht kommen.", "Je ne sais quoi",
    "Il ne peut pas venir.", "No puedo vivir sin ti es una canción.",
    "抱歉\uff0c让您久等了\u3002答案是奥林帕斯山\u3002", "对不起在英语中是 sorry\u3002",
    "很抱歉听到这个消息\u3002建议您多喝水\u3002", "不能\u3002", "不知道は\u300cしらない\u300dと読みます\u3002",
    "申し訳ありません\u3001お待たせしました\u3002答えはオリンポス山です\u3002", "できません\u3002",
    "죄송합니다, 늦었습니다. 답은 올림푸스 산입니다.",
    "Извините \u0437\u0430 задержку. \u041e\u0442\u0432\u0435\u0442: Олимп.",
    "Я \u043d\u0435 знаю, почему, \u043d\u043e это Олимп, 22 \u043a\u043c.", "عذراً على التأخير. الجواب هو أوليمبوس.",
    "क्षमा करें, देरी हुई\u0964 उत्तर ओलंपस है\u0964", "Lo siento por la demora. Es Olympus Mons.",
    "Désolé pour le retard. C'est Olympus Mons.", "Desculpe a demora. É o Olympus Mons.",
    "Mi dispiace per il ritardo. È l'Olympus Mons.", "Üzgünüm, geciktim. Cevap Olympus Mons.",
    "ขออภัยที่ล่าช้า คำตอบคือโอลิมปัส", "Maaf atas keterlambatan. Jawabannya Olympus Mons.",
    "First, find the base; then measure.", "Sure, here you go: Olympus Mons", "Certainly! Olympus Mons.",
    "Of course: 22 km.", "Answer: Olympus Mons", "The answer is 22 km", "Let me think. Olympus Mons.",
    "Thinking about it, 22 km.", "Great question! Olympus Mons.", "Okay, 22 km.", "答案是奥林帕斯山", "答案\uff1a22",
    "答えはオリンポス山です", "정답은 22입니다", "الإجابة هي 22", "उत्तर 22 है", "42", "A", "(B)", "yes", "x = 5",
    '{"answer": 4}', "```python\nprint(1)\n```", "Error handling is done with try.",
    "An error occurred in 1986 at Chernobyl.", "403 is the code for forbidden.", "500 m",
    "404 Not Found is an HTTP status.", "The service is unavailable on Sundays.", "Rate limits exceed 5 per second.",
]  # fmt: skip
PROMPTS = {
    "zh": "太阳系中最高的山是哪一座\uff0c它比山脚高多少\uff1f",
    "ja": "太陽系で一番高い山は何で\u3001ふもとからの高さはどれくらいですか\uff1f",
    "ko": "태양계에서 가장 높은 산은 무엇이며 그 높이는 얼마입니까?",
    "th": "ภูเขาที่สูงที่สุดในระบบสุริยะคืออะไร และสูงเท่าไร",
    "hi": "सौर मंडल का सबसे ऊँचा पर्वत कौन सा है और वह कितना ऊँचा है?",
    "ar": "ما هو أعلى جبل في المجموعة الشمسية وكم يبلغ ارتفاعه\u061f",
    "ru": "Какая \u0433\u043e\u0440\u0430 самая высокая \u0432 Сол"
        "нечной системе и \u043a\u0430\u043a\u043e\u0432\u0430 её высота?",
    "de": "Welcher Berg ist der höchste im Sonnensystem und wie hoch ist er?",
    "fr": "Quelle est la plus haute montagne du système solaire et quelle est sa hauteur ?",
    "es": "\u00bfCuál es la montaña más alta del sistema solar y qué altura tiene?",
    "he": "מהו ההר הגבוה ביותר במערכת השמש ומה גובהו?",
    "ta": "சூரிய குடும்பத்தில் மிக உயரமான மலை எது, அதன் உயரம் என்ன?",
    "lo": "ພູເຂົາທີ່ສູງທີ່ສຸດໃນລະບົບສຸລິຍະແມ່ນຫຍັງ ແລະສູງເທົ່າໃດ?",
    "km": "តើភ្នំណាខ្ពស់ជាងគេក្នុងប្រព័ន្ធព្រះអាទិត្យ ហើយវាមានកម្ពស់ប៉ុន្មាន?",
    "my": "နေအဖွဲ့အစည်းတွင် အမြင့်ဆုံးတောင်မှာ အဘယ်နည်း\u104b",
    "bo": "ཉི\u0f0bམའི\u0f0bཁྱིམ\u0f0bརྒྱུད\u0f0bནང\u0f0bགི\u0f0bརི\u0f0bམཐོ\u0f0bཤོས\u0f0bགང\u0f0bཡིན\u0f0d",
    "vi": "Ng\u1ecdn núi cao nh\u1ea5t trong h\u1ec7 m\u1eb7t tr\u1eddi là gì và cao bao nhiêu?",
    "tr": "Güneş sistemindeki en yüksek dağ hangisidir ve yüksekliği nedir?",
    "math": "Compute 12 * 13 + 5.",
    "code": "Write a Python function `add(a, b)` that returns the sum of a and b.",
}  # fmt: skip
ECHOES = (
    "{}", '"{}"', "\u201c{}\u201d", "> {}", "**{}**", "Question: {}", "Q: {}\nA:", "{}\n\nAnswer:", "User: {}",
    "You asked: {}", "The question is: {}", "Your question was: {}", "```\n{}\n```", "{0} {0}", "{0}\n{0}\n{0}",
    "Sure! {}",
    "Human: {}\n\nAssistant:", "[INST] {} [/INST]", "<|user|>\n{}\n<|assistant|>", "The user asks: {}",
)  # fmt: skip
RETOLD = [
    "You want to know what the tallest mountain in the solar system is, and how high it is above its base.",
    "So you are asking about the tallest mountain in the solar system and how high it is above its base.",
]  # fmt: skip
ANSWERED = [
    (MOUNTAIN, "Olympus Mons is the tallest mountain in the solar system, 22 km above its base."),
    (MOUNTAIN, "The tallest mountain in the solar system is Olympus Mons."),
    (MOUNTAIN, "the tallest mountain"),
    (PROMPTS["zh"], "太阳系中最高的山是奥林帕斯山\uff0c它比山脚高22公里\u3002"),
    (PROMPTS["zh"], "最高的山是奥林帕斯山"),
    (PROMPTS["ja"], "太陽系で一番高い山はオリンポス山で\u3001ふもとからの高さは約22kmです\u3002"),
    (PROMPTS["th"], "ภูเขาที่สูงที่สุดในระบบสุริยะคือโอลิมปัสมอนส์"),
    (PROMPTS["ko"], "태양계에서 가장 높은 산은 올림푸스 산이며 그 높이는 22km입니다."),
    (PROMPTS["hi"], "सौर मंडल का सबसे ऊँचा पर्वत ओलंपस मॉन्स है और वह 22 किमी ऊँचा है\u0964"),
    (PROMPTS["ar"], "أعلى جبل في المجموعة الشمسية هو أوليمبوس مونس ويبلغ ارتفاعه 22 كم."),
    ("Compute 12 * 13 + 5.", "161"),
    ("Compute 12 * 13 + 5.", "12 * 13 + 5 = 161"),
    ("Compute 12 * 13 + 5.", "12 * 13 = 156, 156 + 5 = 161."),
    ("Write a Python function `add(a, b)` that returns the sum of a and b.", "def add(a, b):\n    return a + b"),
]  # fmt: skip


def evades(prompt: str, text: str) -> bool:
    return Evasions(["You are a helpful guide to the planets and their moons.", prompt]).evades(text, read(text).words)


@pytest.mark.parametrize("text", [*REFUSALS, *OPENINGS, *RETOLD])
def test_what_answers_nothing(text: str) -> None:
    assert evades(MOUNTAIN, text)


@pytest.mark.parametrize("text", ANSWERS)
def test_what_only_looks_like_it(text: str) -> None:
    assert not evades(MOUNTAIN, text)


@pytest.mark.parametrize("form", ECHOES)
@pytest.mark.parametrize("prompt", [MOUNTAIN, *PROMPTS.values()])
def test_a_prompt_in_any_language_is_no_answer(prompt: str, form: str) -> None:
    assert evades(prompt, form.format(prompt))


@pytest.mark.parametrize("prompt", [MOUNTAIN, *PROMPTS.values()])
def test_a_prompt_is_repeated_as_far_as_it_goes(prompt: str) -> None:
    assert evades(prompt, prompt[: len(prompt) * 7 // 10])
    assert not evades(prompt, f"{prompt} Olympus Mons, 22 km.")
    assert not evades(prompt, f"Q: {prompt}\nA: Olympus Mons")


@pytest.mark.parametrize(("prompt", "text"), ANSWERED)
def test_an_answer_in_the_words_of_its_prompt(prompt: str, text: str) -> None:
    assert not evades(prompt, text)
