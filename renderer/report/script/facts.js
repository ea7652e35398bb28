// What the page knows: songs with their takes, and every sound that can be played (a take, or a former version of it).
const UNTOLD = {
  variant: "", outcome: "done", flags: [], seconds: 0, lufs: null, off: null, score: null, rank: null, made: 0, labels: 0, marks: [],
  estimated: false, former: [], lyrics: 0, preview: false, from: null, timed: null, skipped: [], misheard: [],
};
let facts = readPage(document);
let rows = new Map();
let sounds = new Map();

const $ = (id) => document.getElementById(id);
const takeOf = (row) => facts.bySong.get(songOf(row).id).takes[Number(row.dataset.take)];
const songOf = (row) => row.closest(".song");
const soundId = (name, key) => `${name}@${key}`;

function readPage(page) {
  const read = JSON.parse(page.getElementById("facts").textContent);
  read.together = page.getElementById("folds").dataset.together === "yes";
  read.packs = page.getElementById("folds").textContent.trim().split("\n").map((packed) => ({ packed }));
  const last = new Set(read.last);
  read.songs.forEach((song, place) => {
    song.place = place;
    song.takes = song.takes.map((told, at) => ({ ...UNTOLD, number: at + 1, ...told }));
    for (const take of song.takes) {
      Object.assign(take, { song: song.name, title: song.title, last: last.has(take.name) });
      take.marks = take.marks.map((start, mark) => [song.labels[take.labels][mark], start]);
      // A server has several versions under one name over time, a disk has one.
      if (read.served && take.audio) take.audio += `?v=${take.key}`;
    }
  });
  read.bySong = new Map(read.songs.map((song) => [`song-${song.id}`, song]));
  read.takes = read.songs.flatMap((song) => song.takes);
  read.byName = new Map(read.takes.map((take) => [take.name, take]));
  return read;
}

function readFacts() {
  rows = new Map([...document.querySelectorAll(".take")].map((row) => [takeOf(row).name, row]));
  sounds = new Map();
  for (const take of facts.takes) {
    if (take.audio === null) continue;
    const label = `${take.variant || "base"}, seed ${take.seed}`;
    const own = { id: soundId(take.name, take.key), take, label, audio: take.audio, seconds: take.seconds, lufs: take.lufs };
    sounds.set(own.id, own);
    for (const former of take.former) {
      const before = { ...own, ...former, id: soundId(take.name, former.key), label: `${label}, before (${former.key})` };
      sounds.set(before.id, before);
    }
  }
}

const soundOf = (take) => sounds.get(soundId(take.name, take.key)) ?? null;

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

// One line for people and for screen readers; the newest wins.
function say(text) {
  const says = $("says");
  says.textContent = text;
  // The line fades by animation; a new text starts it anew.
  for (const fading of says.getAnimations()) {
    fading.cancel();
    fading.play();
  }
}
