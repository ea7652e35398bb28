// Served, the page hears of new takes and writes votes at once; from disk it knows everything already.
const served = facts.served;

// One after the other: of two votes on a take the later one must be written last.
let sending = Promise.resolve();
function sendPick(name, pick) {
  if (served) sending = sending.then(() => post(name, pick));
}

async function post(name, pick) {
  try {
    const answer = await fetch("picks", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Token": served.token },
      body: JSON.stringify({ take: name, ...pick }),
    });
    if (!answer.ok) throw new Error(await answer.text());
    facts.picks[name] = pick;
    delete decided[name];
    fillDrawer();
  } catch (error) {
    say(`The vote on ${name} is kept in this browser only: ${error.message}`);
  }
  showOnlyHere();
}

// One refresh at a time; whatever came meanwhile is in the next one.
let refreshing = null;
let again = false;
function hear() {
  if (refreshing) {
    again = true;
    return;
  }
  refreshing = refresh().catch((error) => say(`The page could not be renewed: ${error.message}`)).finally(() => {
    refreshing = null;
    if (again) {
      again = false;
      hear();
    }
  });
}

// The new page's songs take the place of the old ones; what plays lives outside of them and plays on.
async function refresh() {
  const answer = await fetch(location.pathname);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = new Set([...document.querySelectorAll("#songs details[open]")].map(foldName));
  const former = new Map(facts.takes.map((take) => [take.name, take.audio === null ? null : take.key]));
  facts = readPage(page);
  for (const part of ["head", "faults", "flag-filters", "state-filters", "songs", "tail"]) swap(page, part);
  document.title = page.title;
  $("flag-filters").closest("fieldset").hidden = !$("flag-filters").children.length;
  start();
  for (const fold of document.querySelectorAll("#songs details")) fold.open = open.has(foldName(fold));
  sort();
  filter();
  showUnheard();
  announce(former);
}

function swap(page, id) {
  const checked = new Set([...$(id).querySelectorAll("input:checked")].map((box) => box.value));
  $(id).replaceChildren(...page.getElementById(id).childNodes);
  for (const box of $(id).querySelectorAll("input[type=checkbox]")) box.checked = checked.has(box.value);
}

const foldName = (fold) => {
  const row = fold.closest(".take");
  return `${row ? takeOf(row).name : `${songOf(fold).id} ${fold.querySelector("summary").textContent}`} ${fold.className}`;
};

// What came while the page was open stays marked until it is played.
const unheard = new Set();
function showUnheard() {
  for (const [name, row] of rows) row.classList.toggle("fresh", unheard.has(name));
}

// A take made anew is put up against what it was before.
function announce(former) {
  const fresh = facts.takes.filter((take) => take.audio !== null && former.get(take.name) !== take.key);
  if (!fresh.length) return;
  for (const take of fresh) unheard.add(take.name);
  showUnheard();
  const take = fresh.find((one) => one.name === current?.take.name) ?? fresh[0];
  const before = take.former[0] && sounds.get(soundId(take.name, take.former[0].key));
  if (before && !blind) compare(before, soundOf(take));
  say(`New: ${fresh.map((one) => one.name).join(", ")}.${before ? " A is before, B is now." : ""}`);
}

function connect() {
  const events = new EventSource("events");
  events.addEventListener("report", hear);
  events.addEventListener("progress", (event) => {
    $("live").textContent = JSON.parse(event.data).text;
  });
  events.addEventListener("open", () => {
    if (!$("live").classList.contains("lost")) return;
    $("live").classList.remove("lost");
    $("live").textContent = "";
    hear();
  });
  events.addEventListener("error", () => {
    $("live").classList.add("lost");
    $("live").textContent = "The server is gone; what is here still plays if it was loaded.";
  });
}
