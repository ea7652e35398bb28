// Edits and what they are made from, heard at one place: where a window begins before its source does, all of it moves.
const MOST_GENERATIONS = 100;
const RUN_UP_SECONDS = 2;

const sourceOf = (take) => facts.byName.get(take.from?.name) ?? null;

function rootOf(take) {
  let lead = 0;
  let root = take;
  for (let left = MOST_GENERATIONS; left && sourceOf(root); left -= 1) {
    lead += root.from.lead;
    root = sourceOf(root);
  }
  return { root, lead };
}

// Where a sound is at the place that plays now.
function placeIn(sound) {
  if (!current) return undefined;
  const [here, there] = [rootOf(current.take), rootOf(sound.take)];
  return here.root === there.root ? Math.max(0, position() - here.lead + there.lead) : position();
}

// Whether outside of windows they are the same sound: it must be as loud in both.
function sharesSound(one, other) {
  return [[one, other], [other, one]].some(([edit, source]) => edit.take.from?.windows.length && sourceOf(edit.take) === source.take);
}

function drawWindows(brush, width, height, take) {
  if (!take.seconds) return;
  for (const [start, end] of take.from?.windows ?? []) {
    const left = (start / take.seconds) * width;
    const wide = Math.max(2, ((end - start) / take.seconds) * width);
    brush.fillStyle = inks.window;
    brush.fillRect(left, 0, wide, height);
    brush.fillStyle = inks.played;
    brush.fillRect(left, height - 2, wide, 2);
  }
}

function addAgainst(row, take) {
  const told = row.querySelector(".made-from");
  const source = sourceOf(take);
  if (!told || take.audio === null || !source || source.audio === null) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "against";
  button.textContent = "A/B with it";
  button.setAttribute("aria-label", `Compare ${take.name} with ${source.name}`);
  told.append(" ", button);
}

function hearAgainst(take) {
  leaveKnockout();
  leaveBlind();
  const [source, edit] = [soundOf(sourceOf(take)), soundOf(take)];
  const isHere = current && [source.id, edit.id].includes(current.id);
  const from = isHere ? placeIn(edit) : Math.max(0, (take.from.windows[0]?.[0] ?? 0) - RUN_UP_SECONDS);
  compare(source, edit);
  play(edit, from);
  say(`A is ${source.take.name}, B is ${take.name}, which plays.`);
}

document.addEventListener("click", (event) => {
  if (event.target.closest(".against")) hearAgainst(takeOf(event.target.closest(".take")));
  const link = event.target.closest("a.to-source");
  if (link && $(link.getAttribute("href").slice(1))?.hidden) say("What it is made from is filtered out.");
});
