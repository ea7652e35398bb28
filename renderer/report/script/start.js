// What only works with a script comes with it: the file itself stays a page with players.
function addControls(row) {
  const take = takeOf(row);
  row.querySelector(".row").after($("words").content.cloneNode(true));
  if (take.audio === null) return;
  const controls = $("controls").content.cloneNode(true);
  for (const button of controls.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.getAttribute("aria-label")} ${take.name}`);
  }
  row.querySelector(".row").append(controls);
}

function start() {
  readFacts();
  rows.forEach(addControls);
  watchRows();
  facts.takes.forEach(showPick);
  countVotes();
  showPlaying();
}

readDrawer();
$("filters").hidden = false;
start();
if (served) {
  // The key opened the page; from here on a cookie does, and the address is one to show around.
  history.replaceState(null, "", location.pathname + location.hash);
  connect();
}
