// What only works with a script comes with it: the file itself stays a page with players.
function addControls(row) {
  const take = takeOf(row);
  if (take.last && !facts.takes.every((one) => one.last)) sayLastRun(row);
  row.querySelector(".row").after($("words").content.cloneNode(true));
  if (take.audio === null) return;
  row.querySelector(".what").title = "Choose this take: keys work on it";
  addAgainst(row, take);
  const controls = $("controls").content.cloneNode(true);
  for (const button of controls.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.getAttribute("aria-label")} ${take.name}`);
  }
  const link = controls.querySelector(".download");
  link.href = take.audio;
  link.download = decodeURIComponent(take.audio.split("?")[0].split("/").pop());
  link.setAttribute("aria-label", `Download ${take.name}`);
  row.querySelector(".row").append(controls);
}

// Said only where it tells some takes from others.
function sayLastRun(row) {
  const told = document.createElement("span");
  told.textContent = "last run";
  told.title = "The last run rendered it, or failed at it";
  row.querySelector(".facts").append(told);
}

function addSongControls(song) {
  // A column that scrolls must be one that the keyboard reaches.
  song.querySelector(".lyrics").tabIndex = 0;
  if (song.querySelectorAll(".take .play").length < 2) return;
  song.querySelector("header").append($("song-controls").content.cloneNode(true));
  song.querySelector(".knock").setAttribute("aria-label", `Knockout of ${facts.bySong.get(song.id).title}`);
}

function start() {
  forgetLyrics();
  readFacts();
  rows.forEach(addControls);
  document.querySelectorAll(".song").forEach(addSongControls);
  watchRows();
  facts.takes.forEach(showPick);
  countVotes();
  showOnlyHere();
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
