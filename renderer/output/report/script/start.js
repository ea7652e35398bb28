function start() {
  readFacts();
  watchRows();
  for (const button of document.querySelectorAll(".votes, .before")) button.hidden = false;
  facts.takes.forEach(showPick);
  countVotes();
  showPlaying();
}

readDrawer();
$("filters").hidden = false;
start();
if (served) connect();
