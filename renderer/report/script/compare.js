// A and B: two sounds at one position; blind, nobody knows which is which until the vote.
const slots = { a: null, b: null };
let blind = null;

function put(slot, sound) {
  leaveKnockout();
  leaveBlind();
  const other = slot === "a" ? "b" : "a";
  if (slots[other]?.id === sound.id) slots[other] = null;
  slots[slot] = sound;
  deckOf(sound);
  applyGain();
  showSlots();
}

function compare(a, b) {
  slots.a = a;
  slots.b = b;
  deckOf(a);
  deckOf(b);
  showSlots();
}

// In a blind comparison the letters stand for a shuffled pair.
const behind = (slot) => (blind ? blind[slot] : slots[slot]);
const blindName = (sound) => (blind.a.id === sound.id ? "A" : "B");

function listen(slot) {
  const sound = behind(slot);
  if (sound) play(sound, placeIn(sound));
  else if (current) put(slot, current);
  else say("Play a take first, then press A or B to compare it.");
}

function startBlind() {
  if (!slots.a || !slots.b) {
    say("Choose two takes with their A and B buttons first.");
    return;
  }
  const swapped = crypto.getRandomValues(new Uint8Array(1))[0] % 2 === 1;
  blind = swapped ? { a: slots.b, b: slots.a } : { a: slots.a, b: slots.b };
  $("match").setAttribute("aria-pressed", "true");
  document.body.classList.add("blind");
  say("Blind: A and B are shuffled. Listen to both, then keep one.");
  play(blind.a, placeIn(blind.a));
  redraw();
}

function leaveBlind() {
  if (!blind) return;
  reveal("Blind comparison left.");
}

// Without a word: of a knockout, names are told at its end.
function unblind() {
  blind = null;
  document.body.classList.remove("blind");
}

function reveal(head) {
  const names = `A was ${blind.a.label}, B was ${blind.b.label}.`;
  unblind();
  say(`${head} ${names}`);
  redraw();
  showPlaying();
}

// The vote comes first, the names after it.
function voteBlind(slot, choice) {
  const chosen = slot && blind[slot];
  if (chosen) setPick(chosen.take, { vote: choice, key: chosen.key ?? chosen.take.key });
  const head = !chosen ? "No difference." : `${choice === "keep" ? "Kept" : "Rejected"} ${slot.toUpperCase()}${whereKept(chosen.take)}`;
  reveal(head);
}

function showSlots() {
  for (const slot of ["a", "b"]) {
    const button = $(`slot-${slot}`);
    const sound = slots[slot];
    const on = Boolean(current && behind(slot)?.id === current.id);
    button.setAttribute("aria-pressed", String(on));
    button.querySelector("span").textContent = blind ? "?" : sound ? sound.label : "empty";
    button.title = blind || !sound ? "" : sound.take.title;
  }
  for (const button of document.querySelectorAll(".take .slot[aria-pressed=true]")) button.setAttribute("aria-pressed", "false");
  for (const slot of ["a", "b"]) {
    const sound = slots[slot];
    const row = sound && rows.get(sound.take.name);
    const button = row?.querySelector(`.slot[data-slot=${slot}]`);
    if (button && sound.id === soundOf(sound.take)?.id) button.setAttribute("aria-pressed", "true");
  }
  $("blind").hidden = Boolean(blind || knockout);
  $("blind").disabled = !(slots.a && slots.b);
  $("blind-votes").hidden = !blind || Boolean(knockout);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".take .slot")) {
    const sound = soundOf(takeOf(button.closest(".take")));
    if (slots[button.dataset.slot]?.id === sound.id) slots[button.dataset.slot] = null;
    else put(button.dataset.slot, sound);
    showSlots();
  } else if (button.id === "slot-a" || button.id === "slot-b") listen(button.id.at(-1));
  else if (button.id === "blind") startBlind();
  else if (button.id === "toggle") playOrPause();
  else if (button.dataset.blindVote !== undefined) voteBlind(button.dataset.blindVote || null, "keep");
  else if (button.id === "match") {
    button.setAttribute("aria-pressed", String(!matching()));
    applyGain();
    showPlaying();
  }
});
