// One sound at a time. A deck is the <audio> of a sound; the last few stay loaded, so that A/B switches at once.
const MAX_DECKS = 4;
const decks = new Map();
let current = null;

function deckOf(sound) {
  let deck = decks.get(sound.id);
  if (!deck) {
    deck = new Audio();
    deck.preload = "auto";
    deck.src = sound.audio;
    for (const event of ["timeupdate", "play", "pause", "ended", "seeked"]) deck.addEventListener(event, showPlaying);
    deck.addEventListener("timeupdate", keepInLoop);
    deck.addEventListener("ended", () => looped !== null && current?.id === sound.id && play(sound, startOf(sound, looped)));
    deck.addEventListener("error", () => sayUnplayable(sound, deck));
    deck.dataset.sound = sound.id;
    $("decks").append(deck);
  }
  // A map keeps the order of insertion: put last what was used last.
  decks.delete(sound.id);
  decks.set(sound.id, deck);
  forgetDecks();
  return deck;
}

function forgetDecks() {
  for (const [id, deck] of decks) {
    if (decks.size <= MAX_DECKS) return;
    if ([current?.id, slots.a?.id, slots.b?.id].includes(id)) continue;
    deck.removeAttribute("src");
    deck.load();
    deck.remove();
    decks.delete(id);
  }
}

const isPlaying = () => current !== null && !deckOf(current).paused;
const position = () => (current ? deckOf(current).currentTime : 0);

// What the player shows and the keys work on, whether or not it plays.
function choose(sound, from) {
  const changed = sound.id !== current?.id;
  for (const deck of decks.values()) if (!deck.paused) deck.pause();
  current = sound;
  const deck = deckOf(sound);
  if (from !== undefined) deck.currentTime = Math.min(from, Math.max(0, sound.seconds - 0.05));
  else if (deck.ended) deck.currentTime = 0;
  deck.volume = gainOf(sound);
  if (changed) redraw();
}

function play(sound, from) {
  if (!sound) return;
  choose(sound, from);
  const deck = deckOf(sound);
  deck.play().catch((error) => {
    if (error.name !== "AbortError") sayUnplayable(sound, deck);
  });
  if (unheard.delete(sound.take.name)) showUnheard();
  tellSystem(sound);
  showPlaying();
}

// What headphones and lock screens show and ask.
function tellSystem(sound) {
  if (!navigator.mediaSession) return;
  const title = blind ? "Blind comparison" : `${sound.take.title} (${sound.label})`;
  navigator.mediaSession.metadata = new MediaMetadata({ title, artist: "renderer" });
  navigator.mediaSession.setActionHandler("play", playOrPause);
  navigator.mediaSession.setActionHandler("pause", pause);
}

function pause() {
  if (current) deckOf(current).pause();
}

function playOrPause() {
  if (isPlaying()) pause();
  else play(current ?? soundOf(facts.takes.find((take) => take.audio !== null) ?? {}));
}

function seekTo(seconds) {
  if (!current) return;
  deckOf(current).currentTime = Math.max(0, Math.min(seconds, current.seconds - 0.05));
}

function sayUnplayable(sound, deck) {
  if (!deck.getAttribute("src")) return;
  const kind = sound.audio.split("?")[0].split(".").pop();
  const why = deck.error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED
    ? `this browser can't play its ${kind} file, or the file is gone`
    : "the file broke off while playing";
  const row = rows.get(sound.take.name);
  const told = row?.querySelector(".unplayable");
  if (told) {
    told.textContent = `Not played: ${why}.`;
    told.hidden = false;
  }
  say(`${sound.take.name} can't be played: ${why}.`);
}

// How many decibels a sound is lowered so that it is as loud as the quietest it is compared with.
function gainOf(sound) {
  if (!matching() || isOneSound()) return 1;
  const set = comparedWith(sound);
  if (sound.lufs === null || set.some((other) => other.lufs === null)) return 1;
  return 10 ** ((Math.min(...set.map((other) => other.lufs)) - sound.lufs) / 20);
}

// A and B when it is one of them, else all takes of its song.
function comparedWith(sound) {
  if (slots.a && slots.b && [slots.a.id, slots.b.id].includes(sound.id)) return [slots.a, slots.b];
  const song = facts.takes.filter((take) => take.song === sound.take.song && take.audio !== null && take.lufs !== null);
  return [sound, ...song];
}

// A and B, of which one is the other but for its windows.
const isOneSound = () => Boolean(slots.a && slots.b && [slots.a.id, slots.b.id].includes(current?.id) && sharesSound(slots.a, slots.b));
const matching = () => $("match").getAttribute("aria-pressed") === "true";

function applyGain() {
  if (current) deckOf(current).volume = gainOf(current);
}

// Some phones leave the volume to their own buttons; then nothing can be matched.
const volumeObeys = (() => {
  const probe = new Audio();
  probe.volume = 0.5;
  return probe.volume === 0.5;
})();

function gainText() {
  if (!matching() || !current) return "";
  if (!volumeObeys) return "not matched: this browser leaves the volume to you";
  if (isOneSound()) return "not matched: one is made from the other";
  if (comparedWith(current).some((other) => other.lufs === null)) return "not matched: not measured";
  const decibels = 20 * Math.log10(gainOf(current));
  return decibels > -0.05 ? "played at its own level" : `turned down by ${(-decibels).toFixed(1)} dB`;
}

function showPlaying() {
  const playing = isPlaying();
  for (const row of document.querySelectorAll(".take.current")) row.classList.remove("current", "playing");
  $("player").hidden = current === null;
  if (!current) {
    followLyrics();
    return;
  }
  if (!blind) {
    const row = rows.get(current.take.name);
    if (row) {
      row.classList.add("current");
      row.classList.toggle("playing", playing);
      // A row may have nothing to play any more: its file is gone, or it is made again.
      const seek = row.querySelector(".seek");
      if (seek) seek.value = position();
      drawRow(row);
    }
  }
  $("toggle").setAttribute("aria-label", playing ? "Pause" : "Play");
  $("toggle").classList.toggle("on", playing);
  $("now-title").textContent = blind ? "Blind comparison" : current.take.title;
  $("now-take").textContent = blind ? blindName(current) : current.label;
  const seconds = blind ? Math.min(slots.a.seconds, slots.b.seconds) : current.seconds;
  $("position").max = seconds;
  $("position").value = position();
  $("position").setAttribute("aria-valuetext", `${clock(position())} of ${clock(seconds)}`);
  $("time").textContent = `${clock(position())} / ${clock(seconds)}`;
  $("gain").textContent = blind ? "" : gainText();
  showSlots();
  showSections();
  followLyrics();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".play, .before");
  if (!button) return;
  leaveKnockout();
  leaveBlind();
  const take = takeOf(button.closest(".take"));
  const former = button.classList.contains("before") ? take.former[Number(button.dataset.former)] : null;
  const sound = former ? sounds.get(soundId(take.name, former.key)) : soundOf(take);
  if (former) compare(sound, soundOf(take));
  if (sound.id === current?.id && isPlaying()) pause();
  else play(sound, former && current?.take.name === take.name ? position() : undefined);
});

// A name that is clicked is that of the take which one means: it plays on where something plays.
document.addEventListener("click", (event) => {
  const name = event.target.closest(".name .what");
  const sound = name && soundOf(takeOf(name.closest(".take")));
  // Whoever marks a name to copy it clicks, too; and no stray click ends a knockout.
  if (!sound || sound.id === current?.id || blind || knockout || !getSelection().isCollapsed) return;
  if (isPlaying()) {
    play(sound);
  } else {
    choose(sound);
    showPlaying();
  }
});

document.addEventListener("input", (event) => {
  if (event.target.id === "position") seekTo(Number(event.target.value));
  if (!event.target.matches(".seek")) return;
  leaveKnockout();
  leaveBlind();
  const sound = soundOf(takeOf(event.target.closest(".take")));
  play(sound, Number(event.target.value));
});
