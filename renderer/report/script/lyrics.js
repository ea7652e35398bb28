// Lyrics as they are sung: of the take that plays, word after word lights up, and a click on one goes there.
const HELD_SECONDS = 0.5; // a pause within a line that is no silence
const LINE_SECONDS = 2; // how long a line stays lit behind its last word
const TICKS = 100; // a second: what words are timed in
let following = null;
let sung = null;
let frame = 0;

// The sound whose words are shown, or lines marked: a former version, and a pair that nobody knows apart, have none.
function followed() {
  if (!current || blind || !(current.take.timed || current.take.misheard.length) || current.id !== soundOf(current.take)?.id) return null;
  return rows.has(current.take.name) ? current : null;
}

function followLyrics() {
  const sound = followed();
  if (following !== (sound?.id ?? null)) {
    forgetLyrics();
    following = sound?.id ?? null;
    if (sound) bindLyrics(sound);
  }
  if (!frame) lightUp();
}

function forgetLyrics() {
  if (sung) {
    for (const lit of sung.panel.querySelectorAll(".lit, .skipped, .misheard")) lit.classList.remove("lit", "skipped", "misheard");
    sung.panel.closest(".lyrics").classList.remove("following");
  }
  cancelAnimationFrame(frame);
  following = sung = null;
  frame = 0;
  $("sung-line").hidden = true;
}

// Small screens have the lyrics far from the player: there it shows the line itself.
function showLine(word, line) {
  const span = sung.lines[line]?.span;
  $("sung-line").hidden = !span;
  if (!span) return;
  const lit = sung.words[word]?.span;
  const parts = [...span.childNodes].map((node) => {
    if (node !== lit) return node.textContent;
    const copy = document.createElement("span");
    copy.className = "lit";
    copy.textContent = node.textContent;
    return copy;
  });
  $("sung-line").replaceChildren(...parts);
}

async function bindLyrics(sound) {
  const { take } = sound;
  const song = songOf(rows.get(take.name));
  const panel = song.querySelectorAll(".sung")[take.lyrics];
  const [texts, times] = await Promise.all(take.timed?.map((place) => pieceOf(song, place)) ?? ["[]", "[]"]);
  const fold = panel.querySelector(".fold:not(.sent)");
  if (fold) await fill(fold);
  // Meanwhile another may play, or the page be another.
  if (following !== sound.id || !panel.isConnected) return;
  if (fold) fold.open = true;
  if (panel.matches("details")) panel.open = true;
  sung = { panel, word: -1, line: -1, ...timed(JSON.parse(texts), JSON.parse(times), linesOf(panel)) };
  for (const row of take.skipped) sung.byRow.get(row)?.classList.add("skipped");
  for (const row of take.misheard) sung.byRow.get(row)?.classList.add("misheard");
  if (take.timed) panel.closest(".lyrics").classList.add("following");
  lightUp();
}

// Each line in a span of its own, by its row in the lyrics as sent.
function linesOf(panel) {
  const found = new Map();
  for (const section of panel.querySelectorAll(".section")) {
    const words = section.querySelector("p");
    if (!words) continue;
    const spans = words.textContent.split("\n").map((text, place) => {
      const span = document.createElement("span");
      span.className = "line";
      span.textContent = text;
      found.set(Number(section.dataset.row) + place, span);
      return span;
    });
    words.replaceChildren(...spans.flatMap((span, place) => (place ? ["\n", span] : [span])));
  }
  return found;
}

// Words with their times in seconds: what isn't found in its line, such as a tag, is left out.
function timed(texts, times, byRow) {
  const words = [];
  const lines = [];
  let begin = 0;
  let place = 0;
  for (const [row, ...own] of texts) {
    const span = byRow.get(row);
    const spans = span ? wrapWords(span, own) : [];
    const first = words.length;
    own.forEach((_, number) => {
      begin += times[place];
      const start = begin / TICKS;
      if (spans[number]) words.push({ span: spans[number], start, end: start + times[place + 1] / TICKS, line: lines.length });
      place += 2;
    });
    if (words.length > first) lines.push({ span, start: words[first].start, end: Math.max(...words.slice(first).map((word) => word.end)) });
  }
  return { words, lines, byRow };
}

function wrapWords(line, texts) {
  const text = line.textContent;
  const parts = [];
  let written = 0;
  const spans = texts.map((word) => {
    const at = text.indexOf(word, written);
    if (at < 0) return null;
    const span = document.createElement("span");
    span.className = "word";
    span.textContent = word;
    parts.push(text.slice(written, at), span);
    written = at + word.length;
    return span;
  });
  line.replaceChildren(...parts, text.slice(written));
  return spans;
}

// The last that has begun; -1 before the first.
function lastBegun(timed, seconds) {
  let low = 0;
  let high = timed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timed[middle].start <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function wordAt(seconds) {
  const at = lastBegun(sung.words, seconds);
  if (at < 0) return -1;
  const { end } = sung.words[at];
  const next = sung.words[at + 1]?.start ?? Infinity;
  return seconds < end || seconds < Math.min(next, end + HELD_SECONDS) ? at : -1;
}

function lineAt(seconds) {
  const at = lastBegun(sung.lines, seconds);
  return at >= 0 && seconds < sung.lines[at].end + LINE_SECONDS ? at : -1;
}

// With every frame, as the browser tells the time four times a second, which is too seldom for words.
function lightUp() {
  frame = 0;
  if (!sung || current?.id !== following) return;
  const seconds = position();
  const [word, line] = [wordAt(seconds), lineAt(seconds)];
  if (word !== sung.word || line !== sung.line) showLine(word, line);
  if (word !== sung.word) {
    sung.words[sung.word]?.span.classList.remove("lit");
    sung.words[word]?.span.classList.add("lit");
    sung.word = word;
  }
  if (line !== sung.line) {
    sung.lines[sung.line]?.span.classList.remove("lit");
    sung.lines[line]?.span.classList.add("lit");
    sung.line = line;
    if (line >= 0) keepInView(sung.lines[line].span);
  }
  if (isPlaying() && sung.words.length) frame = requestAnimationFrame(lightUp);
}

// Inside the lyrics' own column alone, and not while somebody reads there.
function keepInView(span) {
  const column = span.closest(".lyrics");
  if (column.scrollHeight <= column.clientHeight || column.matches(":hover, :focus-within")) return;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const there = span.getBoundingClientRect().top - column.getBoundingClientRect().top + column.scrollTop;
  column.scrollTo({ top: there - column.clientHeight / 2, behavior: still ? "auto" : "smooth" });
}

function stepLine(by) {
  if (!sung?.lines.length || current?.id !== following) {
    say("The take that plays has no times of its words.");
    return;
  }
  const now = position();
  const next = by > 0
    ? sung.lines.find((line) => line.start > now + 0.05)
    : sung.lines.findLast((line) => line.start < now - 1) ?? sung.lines[0];
  if (next) seekTo(next.start);
}

document.addEventListener("click", (event) => {
  const line = event.target.closest?.(".following .line");
  if (!line || !sung?.panel.contains(line) || !getSelection().isCollapsed) return;
  const clicked = event.target.closest(".word");
  const word = sung.words.find((one) => (clicked ? one.span === clicked : line.contains(one.span)));
  if (word) seekTo(word.start);
});
