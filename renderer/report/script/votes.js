// Votes: what picks.toml held when the page was made, and over it what was decided here since.
const DRAWER = `renderer picks ${location.pathname}`;
let decided = {};
let keeps = true;

function readDrawer() {
  // From file:// some browsers keep no storage; the votes then live as long as the page.
  try {
    decided = JSON.parse(localStorage.getItem(DRAWER) ?? "{}");
  } catch {
    decided = {};
  }
}

function fillDrawer() {
  try {
    localStorage.setItem(DRAWER, JSON.stringify(decided));
  } catch {
    keeps = false;
  }
}

const NO_PICK = { vote: "", note: "", key: "" };
const pickOf = (take) => decided[take.name] ?? facts.picks[take.name] ?? NO_PICK;

function setPick(take, change) {
  const pick = { ...NO_PICK, key: take.key, ...pickOf(take), ...change };
  decided[take.name] = pick;
  fillDrawer();
  showPick(take);
  countVotes();
  // Served, it is on its way.
  if (!served) showOnlyHere();
  sendPick(take.name, pick);
}

// The same vote again takes it back.
function vote(take, choice) {
  const again = pickOf(take).vote === choice;
  setPick(take, { vote: again ? "" : choice, key: take.key });
  say(`${again ? "No vote on" : choice === "keep" ? "Kept" : "Rejected"} ${take.name}${whereKept(take)}`);
}

// What picks.toml doesn't say, as far as this page knows.
function isOnlyHere(name) {
  const [here, written] = [{ ...NO_PICK, ...decided[name] }, { ...NO_PICK, ...facts.picks[name] }];
  if (!decided[name] || (!(here.vote || here.note) && !(written.vote || written.note))) return false;
  return Object.keys(NO_PICK).some((field) => (here[field] || "") !== (written[field] || ""));
}

// The end of a sentence on a vote.
function whereKept(take) {
  if (served || !isOnlyHere(take.name)) return ".";
  const folder = songFolder(take);
  return ` ${keeps ? "in this browser" : "until this page is closed"}; Export picks to put it into ${folder}picks.toml.`;
}

function songFolder(take) {
  const source = rows.get(take.name).closest(".song").querySelector(".source").textContent;
  return source.slice(0, source.lastIndexOf("/") + 1);
}

function showOnlyHere() {
  const number = Object.keys(decided).filter(isOnlyHere).length;
  $("only-here").textContent = number ? `${counted(number, "vote")} ${keeps ? "in this browser only" : "lost when this page is closed"}` : "";
  $("only-here").title = number && !served ? "Until they are exported into picks.toml beside the specs, and the page is written anew" : "";
}

function showPick(take) {
  const row = rows.get(take.name);
  if (!row) return;
  const pick = pickOf(take);
  for (const button of row.querySelectorAll(".vote")) {
    button.setAttribute("aria-pressed", String(button.dataset.vote === pick.vote));
  }
  row.classList.toggle("kept", pick.vote === "keep");
  row.classList.toggle("rejected", pick.vote === "reject");
  const note = row.querySelector(".own-note");
  note.textContent = pick.note;
  note.hidden = !pick.note;
}

function countVotes() {
  const votes = facts.takes.map((take) => pickOf(take).vote || "none");
  for (const counter of document.querySelectorAll("[data-count]")) {
    counter.textContent = votes.filter((vote) => vote === counter.dataset.count).length;
  }
}

// TOML's basic strings are JSON's, but for DEL and lone surrogates.
function tomlText(text) {
  return JSON.stringify(text.replace(/\p{Surrogate}/gu, "\ufffd")).replaceAll("\u007f", "\\u007f");
}

function picksToml() {
  const picks = { ...facts.picks, ...decided };
  const tables = Object.keys(picks).sort().filter((name) => picks[name].vote || picks[name].note).map((name) => {
    const fields = ["vote", "key", "note"].filter((field) => picks[name][field]);
    return [`[${tomlText(name)}]`, ...fields.map((field) => `${field} = ${tomlText(picks[name][field])}`)].join("\n");
  });
  return `${tables.join("\n\n")}\n`;
}

function exportPicks() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([picksToml()], { type: "application/toml" }));
  link.download = "picks.toml";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  say("Saved picks.toml: put it beside your specs.");
}

let noted = null;
function openNote(take) {
  noted = take;
  $("note-title").textContent = `Note on ${take.name}`;
  $("note-text").value = pickOf(take).note;
  $("note").showModal();
}

function closeNote() {
  if ($("note").returnValue === "save") setPick(noted, { note: $("note-text").value.trim() });
  $("note").returnValue = "";
}

$("note").addEventListener("close", closeNote);
$("note-text").addEventListener("keydown", (event) => {
  // Also the Enter that ends a word of Japanese or Chinese: that one is the input method's.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("note").close("save");
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".vote")) vote(takeOf(button.closest(".take")), button.dataset.vote);
  else if (button.matches(".note-on")) openNote(takeOf(button.closest(".take")));
  else if (button.id === "export") exportPicks();
  else if (button.closest("#note")) $("note").close(button.value);
});
