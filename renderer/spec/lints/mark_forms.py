"""How chords, times, repeats, labels and markup look in lyrics, in people's languages. Patterns only."""

from __future__ import annotations

import re

from renderer.spec.headings import TIME_MARK
from renderer.spec.lints.mark_gate import BULLETS, NOTES


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _any_of(text: str) -> str:
    """A pattern of any of the phrases, which commas and line ends part."""
    phrases = sorted({phrase.strip() for phrase in re.split(r"[,\n]", text) if phrase.strip()}, key=len, reverse=True)
    return "|".join(map(re.escape, phrases))


BRACKETED = re.compile(r"\[([^\[\]]{1,12})\]")
BARS = re.compile(r"[|:%]+|-+|N\.?C\.?|\(?[x\u00d7]\d\)?", re.IGNORECASE)
SOLFEGE = re.compile(r"(?:do|r[eé]|mi|fa|sol|la|si)[#b]?(?:m|maj|min|-)?\d?", re.IGNORECASE)
CHORD_PRO = re.compile(r"\s*\{\s*[a-z_]{1,24}\s*(?::[^{}]*)?\}\s*")
TABLATURE = re.compile(r"\s*[A-Ga-g][#b]?\s*\|[-\d|hpbrsx/\\~()*. ]{6,}\s*")
CAPO = re.compile(r"\s*\(?capo\b[^a-z]*\d.{0,20}", re.IGNORECASE)

CHORD_START = re.compile(
    r"(?=.{1,120}$)[\s(|]*(?:[A-Ha-g{|]|N\.?C|(?:do|r[eé]|mi|fa|sol|la|si)\b|(?:Do|Re|Ré|Mi|Fa|Sol|La|Si))"
)

TIMES_BEFORE = re.compile(rf"\s*(?:[\[<(]{TIME_MARK.pattern}[\]>)]\s*)+|.*-->\s*\d.*")
TIMES_INSIDE = re.compile(rf"[\[<]{TIME_MARK.pattern}[\]>]")
BARE_TIME = re.compile(r"\s*\d{1,2}:\d{2}(?:\s*[-\u2013]\s*\d{1,2}:\d{2})?\s+(?=\S)")

_TIMES = _any_of(
    "times, veces, vezes, fois, mal, volte, razy, раза, раз, kez, lần, kali, keer, gånger, 次, 遍, 回, 번, 회"
)
_COUNT = rf"(?:[x\u00d7]\s?\d{{1,2}}|\d{{1,2}}\s?(?:[x\u00d7]|{_TIMES})|bis)"
REPEAT_AT_END = re.compile(
    rf"(?:^|\s|(?<=\W))(?:[(\uff08\[]\s*{_COUNT}\s*[)\uff09\]]|[x\u00d7]\s?[2-9])\s*$", re.IGNORECASE
)
REPEAT_VERBS = _words(
    """
    repeat repeats repeated repetir repetición repite répéter répète reprise wiederholen wiederholung wdh ripeti
    ripetere powtórz повторить повтор повторяется повторення tekrar tekrarla lặp ulangi herhaal herhalen upprepa gjenta
    toista again
    """
)
REPEAT_WORD = re.compile(rf"(?<![^\W_])(?:{_any_of(chr(44).join(REPEAT_VERBS))})(?![^\W_])", re.IGNORECASE)
REPEAT_SIGNS = re.compile("重复|重複|反复|反復|繰り返し|くりかえし|반복")
FILLERS = _words(
    """
    the a all last first previous and then till until to fade out end whole lại line lines section part el la lo los o
    le les du de da die den das il się ve di ka sekali dua
    """
)
TOKENS = re.compile(r"[^\W_]+(?:-[^\W_]+)*")

_VOICES = _any_of(
    """
    male, female, man, woman, men, women, boy, boys, girl, girls, both, all, everyone, duet, together, singer, vocalist
    rapper, mc, voice, choir, group, lead, backing, backing vocals, background, narrator, crowd, he, she, him, her, m, f
    hombre, mujer, ambos, todos, él, ella, dúo, coro, homem, mulher, ele, ela, homme, femme, ensemble, tous, lui, elle
    mann, frau, beide, alle, er, sie, uomo, donna, tutti, insieme, lei, erkek, kadın, hepsi, birlikte, kobieta
    mężczyzna, razem, pria, wanita, nam, nữ, cả hai, он, она, вместе, все, мужчина, женщина, м, ж, хор, чоловік, жінка
    разом, ชาย, หญิง, पुरुष, महिला, लड़का, लड़की, رجل, امرأة, الكل, גבר, אישה, ביחד, άνδρας, γυναίκα, μαζί
    男, 女, 合, 男声, 女声, 男聲, 女聲, 合唱, 男女, 全员, 齊, 旁白, 남, 여, 남자, 여자, 함께, 모두, 다같이, 全員, ハモリ
    """
)
_VOICE = rf"(?:{_VOICES})(?:\s?(?:vocals?|voice|singer|rapper|lead))?(?:\s?(?:\d|[A-D]))?"
_SURE_VOICES = (
    "male|female|man|woman|men|women|boys?|girls?|duet|singer|vocalist|rapper|choir|hombre|mujer|homem|mulher|homme|femme"
    "|mann|frau|uomo|donna|男|女|合|男声|女声|男聲|女聲|남|여|남자|여자|мужчина|женщина"
)
VOICE = re.compile(
    rf"\s*(?:\*\*)?(?:[(\uff08](?:{_SURE_VOICES})(?:\s?\d)?[)\uff09](?=\s*\S)|[(\uff08]\s*{_VOICE}\s*[)\uff09]\s*[:\uff1a]?(?=\s*$)"
    rf"|[(\uff08]?{_VOICE}[)\uff09]?(?:\*\*)?\s*[:\uff1a])",
    re.IGNORECASE,
)
PRONOUN = re.compile(r"\s*(?:all|everyone|m|f|lead|group)\s*[:\uff1a]", re.IGNORECASE)  # words of their own as well

_FIELD_NAMES = _any_of(
    """
    style, styles, genre, genres, mood, tempo, bpm, key, tuning, title, song title, song, artist, album, lyric, lyrics
    instrument, instruments, instrumentation, vocal, vocals, vocalist, duration, length, language, prompt, caption, tags
    description, time signature, structure, theme, writer, written by, composer, composed by, copyright, produced by
    lyrics by, music by, music style, musical style, vocal style, vocal type, song style, music genre
    estilo, género, genero, título, titulo, letra, ritmo, tonalidad, gênero, titre, paroles, titel, stil, liedtext
    titolo, genere, testo, tytuł, gatunek, tekst, başlık, tür, sözler, judul, lirik, gaya, tiêu đề, thể loại
    lời bài hát, стиль, жанр, название, темп, текст, настроение, назва, в стиле, στυλ, τίτλος, στίχοι
    风格, 風格, 曲风, 曲風, 标题, 標題, 歌名, 歌词, 歌詞, 作词, 作詞, 作曲, 编曲, 編曲, 调性, 速度, 情绪, 乐器
    ジャンル, スタイル, タイトル, 曲名, テンポ, 제목, 장르, 스타일, 가사, 작사, 작곡, 템포
    शैली, शीर्षक, العنوان, النوع, الأسلوب
    """
)
FIELD = re.compile(rf"[#*_>\s-]*(?:{_FIELD_NAMES})\s*(?:\*\*)?\s*[:\uff1a](?!\s*$).*", re.IGNORECASE)
_LYRICS = _any_of(
    """
    lyric, lyrics, letra, paroles, liedtext, songtext, testo, tekst, sözler, lirik, текст, текст песни, слова, στίχοι
    歌词, 歌詞, 가사, lời bài hát, बोल, كلمات
    """
)
TITLE_TAG = re.compile(
    r"(?:song )?title|artist|album|composer|copyright|título|titre|titel|titolo|название|标题|標題|タイトル|제목",
    re.IGNORECASE,
)
CHATTER = re.compile(
    r"(?:(?:sure|certainly|of course|okay)[,!. ]*)?(?:here(?:'s|\u2019s| is| are)|aquí (?:está|tienes)|voici"
    r"|hier (?:ist|sind)|ecco|вот|以下是|这是).{0,60}"
    r"(?:lyrics|song|letra|canción|paroles|chanson|liedtext|testo|canzone|текст|песн|歌词|歌曲).{0,40}[:\uff1a!.]",
    re.IGNORECASE,
)  # a language model's words before the song
LYRIC_HEAD = re.compile(rf"[#*_=\s\[<-]*(?:the )?(?:song )?(?:{_LYRICS})[#*_=\s\]>-]*[:\uff1a]?[*_\s]*", re.IGNORECASE)

_ELEMENTS = _any_of(
    """
    b, i, u, s, em, strong, small, sub, sup, p, br, div, span, h1, h2, h3, h4, h5, h6, center, font, hr, li, ul, ol, a
    img, pre, code, blockquote, lyric, lyrics, song, ruby, rt, rp
    """
)
_MARKDOWN = (
    r"^\s*#{1,6}\s+(?=\S)|^\s*>\s+(?=\S)|^\s*(?:```|~~~).*|\*\*[^*\n]+\*\*|__[^_\n]+__"
    r"|(?<![\w*])\*[^*\s][^*\n]*\*(?![\w*])|\[[^\]\n]*\]\(https?:[^)\s]*\)"
)
_RULE = r"^\s*(?:([=_*~#+\u2013\u2014\u2500\u2501-])\s?)(?:\1\s?){2,}$"
MARKUP = (
    ("HTML", re.compile(rf"</?(?:{_ELEMENTS})\b[^<>\n]{{0,80}}>", re.IGNORECASE), "take it out"),
    (
        "an HTML character",
        re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#[xX][0-9a-fA-F]{1,6});"),
        "write the character itself",
    ),
    ("a note sign", re.compile(f"[{NOTES}]+"), "take it out"),
    ("a ruled line", re.compile(_RULE), "leave the line blank"),
    ("Markdown", re.compile(_MARKDOWN), "take the marks out"),
    ("a bullet", re.compile(rf"^\s*[{BULLETS}*]\s+(?=\S)"), "take it out"),
    ("a web address", re.compile(r"(?<!\]\()https?://\S+|\bwww\.\S+"), "take it out"),
)
"""What it is, its form, and what to do."""
ANY_MARKUP = re.compile(
    rf"[<&#*_=~+`>\u2013\u2014\u2500\u2501{BULLETS}{NOTES}]|---|- - -|https?:|www\."
)  # a text without any of these has none of the above
PUNCTUATION = re.compile("[\\s,.!?;:\uff0c\u3002\uff01\uff1f\u3001\u2026\"'\uff1b\uff1a~-]+")
