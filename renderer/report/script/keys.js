// The keyboard: letters and arrows anywhere but where one types.
const JUMP_SECONDS = 5;

const shownRows = () => [...document.querySelectorAll(".song:not([hidden]) .take:not([hidden])")].filter((row) => takeOf(row).audio !== null);
const currentRow = () => (current ? rows.get(current.take.name) : document.activeElement.closest?.(".take")) ?? null;

function move(by) {
  const shown = shownRows();
  const at = shown.indexOf(currentRow());
  const next = shown[at < 0 ? 0 : Math.max(0, Math.min(shown.length - 1, at + by))];
  if (!next) return;
  leaveKnockout();
  leaveBlind();
  play(soundOf(takeOf(next)));
  next.scrollIntoView({ block: "nearest" });
}

// The song that the eye is on: the first one that reaches over the upper third of the window.
function songInView() {
  const shown = [...document.querySelectorAll(".song:not([hidden])")];
  return shown.find((song) => song.getBoundingClientRect().bottom > window.innerHeight / 3) ?? shown.at(-1) ?? null;
}

// Takes answer to their number; a digit waits for the next one where that may make another number.
const DIGIT_MS = 700;
let digits = "";
let waiting = 0;
function digit(one) {
  clearTimeout(waiting);
  digits += one;
  const song = songInView();
  const most = Math.max(0, ...[...(song?.querySelectorAll(".take") ?? [])].map((row) => takeOf(row).number));
  if (Number(digits) * 10 > most) playNumber(song);
  else waiting = setTimeout(playNumber, DIGIT_MS, song);
}

// At the same position where a take of that song plays: they are the same song.
function playNumber(song) {
  const number = Number(digits);
  digits = "";
  const row = [...(song?.querySelectorAll(".take") ?? [])].find((one) => takeOf(one).number === number);
  if (!row || takeOf(row).audio === null) {
    say(`There is no take ${number} to play here.`);
    return;
  }
  leaveKnockout();
  leaveBlind();
  const playing = current && rows.get(current.take.name);
  const sound = soundOf(takeOf(row));
  play(sound, playing && song.contains(playing) ? placeIn(sound) : undefined);
  row.scrollIntoView({ block: "nearest" });
}

function onTake(act) {
  const row = currentRow();
  if (row) act(takeOf(row));
  else say("Play a take first, or click its name.");
}

function voteKey(choice) {
  if (knockout) {
    if (choice === "keep") better(behind("a").id === current.id ? "a" : "b");
    return;
  }
  if (blind) voteBlind(blindName(current).toLowerCase(), choice);
  else onTake((take) => vote(take, choice));
}

const KEYS = {
  " ": playOrPause,
  ArrowLeft: () => seekTo(position() - JUMP_SECONDS),
  ArrowRight: () => seekTo(position() + JUMP_SECONDS),
  ArrowUp: () => move(-1),
  ArrowDown: () => move(1),
  a: () => listen("a"),
  b: () => listen("b"),
  A: () => current && put("a", current),
  B: () => current && put("b", current),
  x: startBlind,
  l: toggleLoop,
  ",": () => stepLine(-1),
  ".": () => stepLine(1),
  m: () => $("match").click(),
  k: () => voteKey("keep"),
  r: () => voteKey("reject"),
  n: () => onTake(openNote),
  "?": () => $("keys").showModal(),
};

const typing = (target) => target.matches("input:not([type=range], [type=checkbox]), textarea, select") || target.closest("dialog");
const ownKey = (target, key) => (key === " " && target.closest("button, summary, a, input[type=checkbox]"))
  || (key.startsWith("Arrow") && target.closest("select, pre, .scroll, .lyrics"));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || ownKey(event.target, event.key)) return;
  // Without a sound the arrows scroll, as on any page.
  if (event.key.startsWith("Arrow") && !current) return;
  const act = KEYS[event.key] ?? (/^[0-9]$/.test(event.key) && (digits || event.key !== "0") ? () => digit(event.key) : null);
  if (!act) return;
  event.preventDefault();
  act();
});
$("show-keys").addEventListener("click", () => $("keys").showModal());
$("keys").addEventListener("click", (event) => event.target.closest("button") && $("keys").close());
