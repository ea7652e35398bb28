// A knockout: pairs of one song's takes, the better one goes on, until one is left and is kept.
let knockout = null;
let knocking = null;

const contenders = (song) => [...song.querySelectorAll(".take:not([hidden])")]
  .map((row) => soundOf(takeOf(row)))
  .filter((sound) => sound && pickOf(sound.take).vote !== "reject");

function offerKnockout(song) {
  const sounds = contenders(song);
  if (sounds.length < 2) {
    say("A knockout takes two takes that are shown, can be played and are not rejected.");
    return;
  }
  knocking = song;
  $("knock-title").textContent = `Knockout of ${facts.bySong.get(song.id).title}`;
  $("knock-says").textContent = `${counted(sounds.length, "take")}, ${counted(sounds.length - 1, "pair")}. The winner is kept.`;
  $("knock").showModal();
}

function startKnockout(song, isBlind) {
  leaveBlind();
  const sounds = contenders(song);
  knockout = { isBlind, round: 1, pairs: sounds.length - 1, done: 0, left: sounds, through: [] };
  nextPair();
}

function nextPair() {
  const game = knockout;
  if (game.left.length < 2) {
    // One that has no partner is through to the next round.
    game.left = [...game.left, ...game.through];
    game.through = [];
    game.round += 1;
  }
  if (game.left.length === 1) {
    endKnockout(game.left[0]);
    return;
  }
  const [first, second] = game.left;
  compare(first, second);
  if (game.isBlind) startBlind();
  else play(first, placeIn(first));
  showKnockout();
}

function better(slot) {
  const game = knockout;
  const winner = behind(slot);
  if (blind) unblind();
  game.left = game.left.slice(2);
  game.through.push(winner);
  game.done += 1;
  nextPair();
}

function endKnockout(winner) {
  knockout = null;
  showKnockout();
  setPick(winner.take, { vote: "keep", key: winner.key ?? winner.take.key });
  rows.get(winner.take.name)?.scrollIntoView({ block: "nearest" });
  play(winner);
  say(`The winner is take ${winner.take.number}: ${winner.label}. It is kept${whereKept(winner.take)}`);
}

function leaveKnockout() {
  if (!knockout) return;
  knockout = null;
  showKnockout();
  leaveBlind();
}

function showKnockout() {
  $("knockout").hidden = !knockout;
  document.body.classList.toggle("knocking", Boolean(knockout));
  if (knockout) $("knockout-now").textContent = `Round ${knockout.round}, pair ${knockout.done + 1} of ${knockout.pairs}`;
}

$("knock").addEventListener("close", () => {
  if ($("knock").returnValue === "start") startKnockout(knocking, $("knock-blind").checked);
  $("knock").returnValue = "";
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".knock")) offerKnockout(songOf(button));
  else if (button.dataset.better) better(button.dataset.better);
  else if (button.id === "knockout-leave") leaveKnockout();
  else if (button.closest("#knock")) $("knock").close(button.value);
});
