"""The section names that ACE-Step's guides use, and what people write for them in other languages."""

from __future__ import annotations

import re


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(","))


# Source: ace-step/ACE-Step-1.5, docs/en (tutorial and inference guides)
SUNG_TAGS = _names(
    """
    verse, chorus, pre-chorus, prechorus, post-chorus, postchorus, hook, refrain, bridge, rap,
    rap
    verse, spoken word, spoken, ad-lib, ad-libs, final chorus, last chorus, double chorus,
    pre-hook, estrofa, verso, coro, estribillo, puente, couplet, strophe, refrão, refrao,
    ritornello, strofa, 主歌, 副歌, 桥段, 橋段, 导歌, 導歌, 前副歌, 後副歌, 后副歌, 说唱, 說唱,
    念白, サビ, aメロ, bメロ, cメロ, 大サビ, ラップ, 절, 후렴, 브릿지, куплет, припев, бридж
    """
)
INSTRUMENTAL_TAGS = _names(
    """
    intro, outro, instrumental, inst, instrumental break, interlude, solo, guitar solo, piano solo,
    sax solo, saxophone solo, drum solo, bass solo, synth solo, violin solo, trumpet solo,
    organ
    solo, break, breakdown, build, build-up, buildup, drop, fade out, fade in, fadeout,
    end, ending, silence, pause, drum break, beat drop, beat switch, riff, guitar riff, transition,
    introducción, piano interlude, guitar interlude, piano intro, guitar intro, acoustic intro,
    melodic interlude, instrumental intro, instrumental outro, instrumental interlude,
    instrumental solo, instrumental
    bridge, tag, coda, climax, final, start, opening,
    key change, vamp, turnaround, prelude, postlude, 前奏, 间奏, 間奏, 尾奏, 尾声, 尾聲, 结尾, 結尾,
    开场, 開場, 纯音乐, 純音樂, 吉他独奏, 高潮, イントロ, アウトロ, 間奏ソロ, ソロ, 전주, 간주,
    후주, 아웃트로, 인트로, вступление, проигрыш, соло
    """
)
SECTION_TAGS = tuple(sorted(SUNG_TAGS | INSTRUMENTAL_TAGS))
_DECORATION = re.compile(r"\s*(?:[x×]\s*\d+|#?\d+|[ivIV]+)$")


def singular(tag: str) -> str:
    """A tag as it stands in the list: small letters, without number or repeat."""
    return _DECORATION.sub("", tag.strip().lower())


def is_known(tag: str) -> bool:
    """Whether ACE-Step is known to follow the tag."""
    name = singular(tag)
    return name in SUNG_TAGS or name in INSTRUMENTAL_TAGS
