// The keyboard: letters and arrows anywhere but where one types.
const JUMP_SECONDS = 5;

const shownRows = () => [...document.querySelectorAll(".song:not([hidden]) .take:not([hidden])")].filter((row) => takeOf(row).audio !== null);
const currentRow = () => (current ? rows.get(current.take.name) : document.activeElement.closest?.(".take")) ?? null;

function move(by) {
  const shown = shownRows();
  const at = shown.indexOf(currentRow());
  const next = shown[at < 0 ? 0 : Math.max(0, Math.min(shown.length - 1, at + by))];
  if (!next) return;
  leaveBlind();
  play(soundOf(takeOf(next)));
  next.scrollIntoView({ block: "nearest" });
}

// Takes of one song answer to their number, at the same position: they are the same song.
function number(digit) {
  const song = currentRow() ? songOf(currentRow()) : document.querySelector(".song:not([hidden])");
  const row = [...(song?.querySelectorAll(".take") ?? [])].find((one) => one.querySelector(".number").textContent === digit);
  if (!row || takeOf(row).audio === null) {
    say(`There is no take ${digit} to play here.`);
    return;
  }
  leaveBlind();
  play(soundOf(takeOf(row)), current && songOf(row).contains(currentRow()) ? position() : undefined);
  row.scrollIntoView({ block: "nearest" });
}

function onTake(act) {
  const row = currentRow();
  if (row) act(takeOf(row));
  else say("Play a take first.");
}

function voteKey(choice) {
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
  m: () => $("match").click(),
  k: () => voteKey("keep"),
  r: () => voteKey("reject"),
  n: () => onTake(openNote),
  "?": () => $("keys").showModal(),
};

const typing = (target) => target.matches("input:not([type=range], [type=checkbox]), textarea, select") || target.closest("dialog");
const ownKey = (target, key) => (key === " " && target.closest("button, summary, a, input[type=checkbox]"))
  || (key.startsWith("Arrow") && target.closest("select, pre, .scroll"));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || ownKey(event.target, event.key)) return;
  // Without a sound the arrows scroll, as on any page.
  if (event.key.startsWith("Arrow") && !current) return;
  const act = KEYS[event.key] ?? (/^[1-9]$/.test(event.key) ? () => number(event.key) : null);
  if (!act) return;
  event.preventDefault();
  act();
});
$("show-keys").addEventListener("click", () => $("keys").showModal());
$("keys").addEventListener("click", (event) => event.target.closest("button") && $("keys").close());
