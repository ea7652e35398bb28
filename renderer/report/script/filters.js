// Which takes show, and in which order: songs by their first take in that order, takes within their song.
const STATES = ["failed", "blocked", "waiting", "done", "not picked"];
const VOTES = ["keep", "", "reject"];
// What nobody measured stands last.
const known = (value) => (value === null ? Infinity : value);
const ORDERS = {
  spec: () => 0,
  song: (take) => take.title,
  state: (take) => STATES.indexOf(take.outcome),
  flags: (take) => -take.flags.length,
  seed: (take) => take.seed,
  shortlist: (take) => VOTES.indexOf(pickOf(take).vote) * 1000 + take.flags.length + (take.audio === null ? 500 : 0),
  loudness: (take) => known(take.lufs === null ? null : -take.lufs),
  tempo: (take) => known(take.off),
  score: (take) => known(take.score === null ? null : -take.score),
  pick: (take) => known(take.rank),
  longest: (take) => (take.audio === null ? Infinity : -take.seconds),
  newest: (take) => -take.made,
};

const chosen = (name) => [...document.querySelectorAll(`#filters input[name=${name}]:checked`)].map((box) => box.value);

function passes(take, found, states, flags) {
  const vote = pickOf(take).vote || "none";
  const text = `${take.title} ${take.name} ${take.variant || "base"} seed ${take.seed}`.toLowerCase();
  return found.every((word) => text.includes(word))
    && (!states.length || states.includes(take.outcome) || states.includes(vote) || (take.last && states.includes("last-run"))
      || (take.preview && states.includes("preview")))
    && (!flags.length || take.flags.some((flag) => flags.includes(flag)));
}

function filter() {
  const found = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const states = chosen("state");
  const flags = chosen("flag");
  let shown = 0;
  for (const song of document.querySelectorAll(".song")) {
    let here = 0;
    for (const row of song.querySelectorAll(".take")) {
      row.hidden = !passes(takeOf(row), found, states, flags);
      here += row.hidden ? 0 : 1;
    }
    song.hidden = here === 0 && song.querySelector(".take") !== null;
    shown += here;
  }
  $("nothing").hidden = shown > 0 || facts.takes.length === 0;
  $("shown").textContent = shown === facts.takes.length ? "" : `${shown} of ${counted(facts.takes.length, "take")}`;
}

const inOrder = (one, other) => (typeof one === "string" ? one.localeCompare(other) : one === other ? 0 : one - other);

function sort() {
  const order = ORDERS[$("sort").value];
  // Edits stand by what they are made from in the spec's order alone.
  $("songs").classList.toggle("mixed", $("sort").value !== "spec");
  const songs = [...document.querySelectorAll(".song")].map((song) => {
    const own = [...song.querySelectorAll(".take")];
    own.sort((one, other) => inOrder(order(takeOf(one)), order(takeOf(other))) || one.dataset.take - other.dataset.take);
    song.querySelector(".takes").append(...own);
    return { song, first: own.length ? order(takeOf(own[0])) : 0 };
  });
  songs.sort((one, other) => inOrder(one.first, other.first) || facts.bySong.get(one.song.id).place - facts.bySong.get(other.song.id).place);
  $("nothing").before(...songs.map((entry) => entry.song));
}

document.addEventListener("input", (event) => {
  if (!event.target.closest("#filters")) return;
  if (event.target.id === "sort") sort();
  else filter();
});
