"""The names that people give the parts of a song, by language, and the words they direct a part with. Data only.

A name is written in small letters, without numbers; names of one language stand in one row.
"""

from __future__ import annotations

import unicodedata

# Parts with words. The first row's source: ace-step/ACE-Step-1.5, docs/en (tutorial and inference guides).
_SUNG = """
verse, chorus, pre-chorus, prechorus, pre chorus, post-chorus, postchorus, post chorus, hook, refrain, bridge, rap
pre-hook, prehook, post-hook, middle eight, middle 8, pre-verse, stanza, part, vocal break
estrofa, verso, coro, estribillo, puente, precoro, pre-coro, pre-estribillo, preestribillo, post-coro, postcoro
gancho
estrofe, refrão, refrao, pré-refrão, pre-refrão, pré-refrao, pre-refrao, pós-refrão, pos-refrao, ponte, parte
couplet, strophe, pré-refrain, pre-refrain, post-refrain, pont, accroche
vers, vorrefrain, vor-refrain, pre-refrain, brücke, kehrreim, kehrvers, sprechgesang
strofa, ritornello, pre-ritornello, inciso, strofe
couplet, refrein, brug, voorrefrein, kouplet
refräng, refrängen, refrang, omkvæd, refræng, refreng, brygga, stick, mellemstykke, bro
säkeistö, kertosäe, kertsi, väliosa, silta, esikertosäe, c-osa
zwrotka, refren, przedrefren, pre-refren, mostek, zwrotki, bridż
sloka, refrén, předrefrén, predrefrén, slok, mezisloka, bridž
verze, versszak, elő-refrén, híd, átvezető, előrefrén
strofă, punte, pre-refren
most, predrefren, prerefren, c-teil
kıta, kita, nakarat, ön nakarat, son nakarat, köprü, dörtlük, söz, bölüm
bənd, nəqərat
posmas, priedainis, tiltelis
erindi, viðlag, millikafli
tornada
kouplè, kouplet, refren
beti, kiitikio, daraja
bait, reff, ref, reffrain, refrein, pra-reff, pra reff, jembatan, korus, rangkap, pra-korus, pra korus
koro, berso, taludtod, tulay, talata
lời, điệp khúc, đk, tiền điệp khúc, hậu điệp khúc, phiên khúc, cầu nối, khổ, đoạn, điệp, đoạn chuyển
mukhda, mukhra, antara, sthayi, asthayi, sanchari, pallavi, anupallavi, charanam, alaap
куплет, припев, бридж, предприпев, пред-припев, препев, постприпев, пост-припев, рэп, хук, речитатив, мостик
приспів, передприспів, перед-приспів, строфа, рефрен, мост, пред-рефрен, предрефрен, пре-хор, хор
κουπλέ, κουπλε, ρεφρέν, ρεφρεν, γέφυρα, στροφή, επωδός, προ-ρεφρέν, προρεφρέν
מקטע, בית, פזמון, גשר, קדם-פזמון, קדם פזמון, פרה-פזמון, טרום פזמון, ראפ
مقطع, المقطع, كوبليه, الكوبليه, لازمة, اللازمة, كورس, الكورس, كوراس, جسر, الجسر, بيت, البيت, مذهب, المذهب, غصن, موال
ما قبل اللازمة, ما قبل الكورس, ورس, بند, کورس, پیش‌کورس, پیش کورس, همخوان, ترجیع‌بند, بریج, پل, مکھڑا, مکھڑہ
انترا, استھائی
मुखड़ा, अंतरा, अन्तरा, अंतरे, स्थायी, संचारी, कोरस, प्री-कोरस, प्री कोरस, ब्रिज, वर्स, पद, टेक, छंद, श्लोक, हुक
रैप, दोहा, सेतु
স্থায়ী, অন্তরা, সঞ্চারী, আভোগ, মুখড়া, কোরাস, ধুয়া, ব্রিজ, ভার্স
ਮੁਖੜਾ, ਅੰਤਰਾ, ਕੋਰਸ, ਬੰਦ
பல்லவி, அனுபல்லவி, சரணம், கோரஸ்
పల్లవి, అనుపల్లవి, చరణం, కోరస్
ท่อนฮุก, ท่อนฮุค, ฮุก, ฮุค, ท่อนแยก, ท่อน, เวิร์ส, เวิร์ส, คอรัส, พรีคอรัส, พรีฮุก, พรีฮุค, บริดจ์, สร้อย
ร้องรับ, แร็ป, เนื้อร้อง
主歌, 副歌, 桥段, 橋段, 桥, 导歌, 導歌, 预副歌, 預副歌, 前副歌, 後副歌, 后副歌, 说唱, 說唱, 念白, 独白, 獨白
段落, 过渡, 過渡, 和声段
サビ, 大サビ, ラスサビ, 落ちサビ, ラストサビ, aメロ, bメロ, cメロ, dメロ, ラップ, ブリッジ, ヴァース, バース
コーラス, プレコーラス, フック, セリフ, 台詞, 番
절, 후렴, 후렴구, 브릿지, 브리지, 벌스, 코러스, 프리코러스, 프리 코러스, 훅, 랩, 싸비, 사비, 독백
"""
# Parts that need none.
_INSTRUMENTAL = """
intro, outro, instrumental, inst, interlude, solo, break, breakdown, build, build-up, buildup, drop, drum break
beat drop
beat switch, transition, tag, coda, climax, final, finale, start, opening, key change, vamp, turnaround, prelude
postlude
introduction, main theme, theme, jam, instrumental break, bass drop, pre-drop, overture, cadenza, reprise
introducción, introduccion, interludio, intermedio, cierre, instrumental, desenlace
introdução, introducao, interlúdio, encerramento, desfecho
intermède, ouverture, pause instrumentale
gitarrensolo, klaviersolo, vorspiel, nachspiel, zwischenspiel, einleitung, schluss, zwischenteil, auftakt, ausklang
introduzione, intermezzo, strumentale, assolo, finale
tussenspel, inleiding, slot, naspel, voorspel
mellanspel, mellemspil, mellomspill, förspel, efterspel, forspill, etterspill
välisoitto, alkusoitto, loppusoitto, soolo
wstęp, zakończenie, solówka, przerywnik, interludium, końcówka, przejście, przygrywka
předehra, mezihra, dohra, úvod, závěr, medzihra, predohra, záver, sólo
bevezető, közjáték, befejezés, szóló, előjáték, utójáték, átkötés
uvod, završetak, prijelaz, međuigra, încheiere, interludiu
giriş, çıkış, ara, ara nağme, ara nagme, ara müzik, enstrümantal, bitiş, kapanış, final
pembuka, penutup, interlud, musik, lagu pembuka
dạo đầu, dạo giữa, dạo nhạc, nhạc dạo, gian tấu, mở đầu, đoạn kết, kết thúc, kết
вступление, проигрыш, переход, соло, интро, аутро, концовка, кода, финал, инструментал, интерлюдия, вступ
програш, інтро
кінцівка
увод, крај, завършек, εισαγωγή, σόλο, φινάλε, ιντερλούδιο, έξοδος, ιντερλουδιο
פתיחה, סיום, מעבר, סולו, אינטרו, אאוטרו
مقدمة, المقدمة, خاتمة, الخاتمة, فاصل, الفاصل, فاصل موسيقي, عزف, صولو, مقدمه, پایان, اینترو, اوترو, سولو, اختتام
آغاز
प्रस्तावना, परिचय, इंट्रो, आउट्रो, इंटरल्यूड, आलाप, अंत, शुरुआत, संगीत, समापन, इंस्ट्रुमेंटल, ভূমিকা, ইন্ট্রো
সমাপ্তি
ਆਲਾਪ
อินโทร, เอาท์โทร, เอาต์โทร, โซโล่, โซโล, ดนตรี, บรรเลง, จบ
前奏, 间奏, 間奏, 尾奏, 后奏, 後奏, 尾声, 尾聲, 结尾, 結尾, 开场, 開場, 纯音乐, 純音樂, 吉他独奏, 独奏, 獨奏
高潮, 引子, 序曲, 过门, 終章, 终章, 间奏曲
イントロ, アウトロ, 間奏ソロ, ソロ, エンディング, インスト, インタールード, 後奏
전주, 간주, 후주, 아웃트로, 아우트로, 인트로, 엔딩, 솔로, 절정, 간주중
"""
# Words that may be sung as well as head a part; outside square brackets they need more than themselves to be a heading.
_WEAK = """
kita, breakdown, đoạn, khổ, strofe, stick, ara, شعر, c-teil, đk, перехід, переход
break, drop, end, ending, final, finale, start, opening, tag, silence, pause, solo, build, climax, hook, rap
part, theme, jam
riff, transition, vamp, refrain, coda, overture, reprise, stick, bro, most, pont, slot, parte, ref, lời, kết
pause, introduction
bait, talata, kıta, söz, koro, coro, cierre, punte, most, gancho, ponte, stanza, bölüm, híd, силуэт, мост, крај, хор
пауза, финал, бит, بيت, البيت, بند, پل, مقطع, פתיחה, סיום, מעבר, בית, גשר, पद, टेक, अंत, संगीत, 桥, 高潮, 独白
番, 절, จบ, ท่อน, ดนตรี
verso, vers, schluss, penutup, pembuka, musik, lagu pembuka, inciso, instrumental, prelude, stanza, mostek
giriş, çıkış
кода, соло, overture, intermezzo, interludio, spoken, ad-lib, inst, daraja, beti, tulay, brug, puente, brücke, silta
"""
# How a part, or the song, ends.
ENDINGS = (
    "fade", "fades", "fading", "faded", "fadeout", "fade-out", "fadein", "fade-in", "end", "ends", "ending", "stop",
    "stops", "silence", "pause", "abrupt", "abruptly", "conclusion", "concludes", "dies", "resolves", "ringing",
    "out", "final chord", "last chord", "desvanece", "desvanecimiento", "fundido", "silencio", "silêncio", "fin",
    "fim", "fine", "ende", "dissolvenza", "sfumando", "ausblenden", "stille", "koniec", "cisza", "wyciszenie", "son",
    "sessizlik", "selesai", "tamat", "hening", "konec", "vége", "kraj", "затухание", "тишина", "конец", "кінець",
    "淡出", "淡入", "渐弱", "漸弱", "结束", "結束", "終わり", "フェードアウト", "フェードイン", "페이드 아웃",
    "페이드아웃", "끝", "نهاية", "النهاية", "صمت", "फेड आउट", "เฟดเอาท์", "kết thúc bài",
)  # fmt: skip
# Words that say how a part sounds: voices, instruments, techniques, moods, energy. Source of the vocal, energy and mood
# tags among them: ace-step/ACE-Step-1.5, docs/en/Tutorial.md.
_DIRECTIONS = (
    """
voice voices vocal vocals vocalist vocalists vocalization vocalizations vocalise singer singers singing sings
sung sing male female
man men woman women boy girl boys girls child children kids duet solo both all together unison group gang crowd
choir choral chorale
lead backing background harmony harmonies harmonized layered stacked spoken word speech speaking narration
narrator monologue dialogue
ad-lib ad-libs adlib adlibs scat scatting humming hum hums whistle whistling yodel beatbox growl growling
growled scream screams screaming
screamed shout shouts shouted shouting whisper whispers whispered whispering breathy raspy gritty husky falsetto
belting belted belt
crooning crooned nasal operatic autotune auto-tune autotuned tenor baritone bass alto soprano mezzo countertenor
rapped rapping rapper
laughs laugh laughter laughing sighs sigh cries crying breath breathing inhale exhale gasp cough applause
cheering claps clap clapping
stomp stomps snap snaps finger chant chanting chants chanted echo echoes echoed reverb reverbed delay delayed
distortion distorted
filtered filter filters lo-fi lofi muted reversed pitched pitch phone radio telephone megaphone vinyl crackle
static glitch stutter chop
chops chopped sample sampled samples loop looped pan panned dry wet clean dirty fuzz guitar guitars acoustic
electric piano keys keyboard
keyboards organ rhodes synth synths synthesizer synthesizers pad pads lead leads arpeggio arpeggios arpeggiated
pluck plucks strings
string violin violins viola cello cellos fiddle harp flute clarinet oboe sax saxophone trumpet trumpets trombone
horn horns brass
woodwinds tuba accordion harmonica mandolin banjo ukulele sitar tabla erhu guzheng pipa dizi suona koto shamisen
taiko gayageum bouzouki
oud ney duduk marimba xylophone vibraphone glockenspiel bells bell chimes celesta drum drums drumline percussion
kick snare hi-hat hats
hi-hats cymbal cymbals tom toms tambourine shaker bongo bongos conga congas cajon clave 808 808s beat beats
rhythm groove bassline riff
riffs lick licks melody melodies melodic motif theme hook chord chords note notes strum strums strumming picking
fingerpicked fingerpicking
feedback noise drone ambient ambience texture textures atmosphere atmospheric soundscape orchestra orchestral
band full ensemble quartet
acapella cappella instrumental instruments instrument instrumentation unplugged minimal sparse stripped
stripped-down heavy light slow
slower fast faster tempo halftime half-time double-time half double time rubato swing shuffle straight waltz
ballad rock pop jazz blues
funk soul gospel metal punk folk country disco house techno trance trap drill dubstep edm reggae ska latin samba
bossa salsa cumbia
reggaeton hip-hop r&b lullaby march anthem anthemic epic cinematic dramatic intense intensity intensifies
powerful explosive explodes
aggressive angry furious gentle gently soft softly softer quiet quietly quieter loud louder calm calmly peaceful
tender tenderly warm
intimate melancholic melancholy sad somber sombre mournful wistful nostalgic haunting eerie dark darker bright
brighter happy joyful playful
euphoric dreamy ethereal hypnotic mysterious tense tension suspense suspenseful building build builds build-up
rising rises swelling
swells swell crescendo decrescendo diminuendo falling drop drops explosion climax climactic energy energetic
high low mid medium mood
dynamic dynamics emotional emotion passionate romantic sensual seductive longing yearning hopeful uplifting
triumphant victorious majestic
heroic defiant rebellious confident cool laid-back relaxed chill groovy bouncy driving pulsing pulsating steady
syncopated staccato legato
tremolo vibrato glissando pizzicato slide bend solo improvisation improvised call response answer repeat
repeated repeats continues
continue enters enter begins begin starts plays playing returns return joins fills fill transition modulation
modulates key change style
genre effect effects production arrangement callback accent delivery flow register range tone timbre technique
bpm major minor sound sounds
sfx rain thunder wind waves ocean birds fire footsteps door car siren heartbeat clock music musical song track
extended short long brief
final last big huge small slowly suddenly gradually freestyle improv only raw rough sweet smooth soulful bluesy
jazzy
funky rocky
theatrical conversational deadpan sarcastic sinister menacing creepy ominous spiritual sacred meditative
meditation prayer ritual tribal
"""
    """
susurrado susurrando susurro voz voces masculina femenina femenino masculino hablado habladas recitado gritado
coros guitarra batería
teclado cuerdas tambores suave fuerte lento rápido melancólico alegre energético íntimo crescendo dueto hombre
mujer ambos todos
sussurrado sussurrando vozes feminina falado violão guitarra bateria piano cordas suave dueto homem mulher
chuchoté murmuré voix féminine masculine parlé guitare batterie cordes doux douce lent rapide duo homme femme
geflüstert flüsternd stimme stimmen männlich weiblich gesprochen gitarre schlagzeug klavier streicher leise laut
langsam schnell mann frau
sussurrato voce maschile femminile parlato chitarra batteria pianoforte archi dolce uomo donna
szept szeptem głos męski żeński mówione gitara perkusja skrzypce cicho fısıltı erkek kadın ses konuşma gitar
davul piyano keman
bisik berbisik suara pria wanita gitar biola nam nữ thì thầm đàn trống
шёпот шепот шёпотом шепотом голос мужской женский мужчина женщина вместе хором гитара барабаны скрипка
фортепиано тихо громко дуэт
чоловічий жіночий разом гітара ψιθυριστά ανδρική γυναικεία κιθάρα
"""
)
# The same where words aren't parted by spaces, or take endings.
DIRECTION_PARTS = (
    "男声", "女声", "男聲", "女聲", "童声", "童聲", "合唱", "独唱", "獨唱", "对唱", "對唱", "男女", "轻声", "輕聲",
    "低语", "低語", "耳语", "耳語", "哼唱", "吟唱", "戏腔", "戲腔", "假声", "假聲", "和声", "和聲", "口白", "旁白",
    "吉他", "钢琴", "鋼琴", "鼓", "贝斯", "貝斯", "弦乐", "弦樂", "小提琴", "大提琴", "古筝", "古箏", "二胡", "琵琶",
    "笛", "箫", "唢呐", "合成器", "口哨", "温柔", "溫柔", "激昂", "激烈", "悲伤", "悲傷", "忧伤", "憂傷", "安静",
    "安靜", "节奏", "節奏", "情绪", "情緒", "独奏", "ささやき", "囁き", "ギター", "ピアノ", "ドラム", "ベース",
    "シンセ", "ストリングス", "バイオリン", "男性", "女性", "ボーカル", "ハモリ", "ハミング", "シャウト", "語り",
    "静かに", "激しく", "優しく", "ウィスパー", "속삭", "남성", "여성", "남자", "여자", "보컬", "기타", "피아노",
    "드럼", "베이스", "신스", "허밍", "내레이션", "나레이션", "함께", "همس", "صوت", "رجل", "امرأة", "جماعي", "عود",
    "غيتار", "بيانو", "طبل", "फुसफुसा", "पुरुष", "महिला", "स्त्री", "गिटार", "पियानो", "तबला", "बांसुरी", "सितार",
    "กระซิบ", "ชาย", "หญิง", "กีตาร์", "เปียโน", "กลอง", "לחישה", "גבר", "אישה", "גיטרה", "פסנתר",
)  # fmt: skip
# Stand beside a part's name without saying which part it is.
MODIFIERS = frozenset(
    """
final last first second third fourth fifth sixth one two three four five six seven eight nine ten i ii iii iv v
vi a b c d x
double half short long big main opening closing alternate alt extended reprise new the of and with instrumental
guitar piano
sax saxophone synth drum bass violin trumpet organ vocal acoustic melodic spoken rap male female
último ultima última primer primera segundo segunda primeiro primeira terceiro tercera tercero final dernier
premier deuxième letzter
letzte sista första andra siste letzter erste zweite dritte ultimo primo seconda secondo terzo ostatni ostatnia
pierwsza druga trzecia son ilk
terakhir pertama kedua
последний первый второй третий останній перший другий третій
الأول الثاني الثالث الرابع الأخير א ב ג ד ראשון שני שלישי पहला दूसरा तीसरा
""".split()  # noqa: SIM905 - a list of words reads best as words
)
# Language names beside ACE-Step's own codes, as marks of who sings in what.
LANGUAGE_NAMES = frozenset(
    """
english chinese mandarin cantonese japanese korean spanish french german italian portuguese russian arabic hindi
urdu bengali turkish
polish dutch swedish greek hebrew thai vietnamese indonesian malay tagalog ukrainian persian farsi tamil telugu
punjabi jp kr cn
中文 国语 國語 粤语 粵語 英文 英语 英語 日语 日語 韩语 韓語 日本語 韓国語 영어 한국어 일본어 español français
deutsch italiano português русский английский
zh-cn zh-tw en-us en-gb pt-br es-mx
""".split()  # noqa: SIM905 - a list of words reads best as words
)


def _names(table: str) -> frozenset[str]:
    return frozenset(
        unicodedata.normalize("NFC", name.strip())
        for row in table.strip().split("\n")
        for name in row.split(",")
        if name.strip()
    )


SUNG_NAMES = _names(_SUNG)
INSTRUMENTAL_NAMES = _names(_INSTRUMENTAL)
WEAK_NAMES = _names(_WEAK)
DIRECTION_WORDS = frozenset(unicodedata.normalize("NFC", word) for word in _DIRECTIONS.split())
