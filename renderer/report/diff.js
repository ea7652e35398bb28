"use strict";
(() => {
  // Two players a pair: one of them plays, and the other takes over where it is.
  const pairs = [...document.querySelectorAll(".pair")].map((section) => ({
    section,
    sides: [...section.querySelectorAll(".side")],
    match: section.querySelector(".match"),
  }));
  const playerOf = (side) => side.querySelector("audio");
  let last = null;

  // As loud as the quieter of the two: a player can only be turned down.
  function level(pair) {
    const lufs = pair.sides.map((side) => Number(side.dataset.lufs ?? NaN));
    const matched = pair.match.getAttribute("aria-pressed") === "true" && lufs.every(Number.isFinite);
    pair.sides.forEach((side, at) => {
      playerOf(side).volume = matched ? 10 ** ((Math.min(...lufs) - lufs[at]) / 20) : 1;
    });
  }

  function show(pair) {
    for (const side of pair.sides) side.querySelector(".switch").setAttribute("aria-pressed", String(!playerOf(side).paused));
  }

  function listen(pair, at) {
    const [chosen, other] = [pair.sides[at], pair.sides[1 - at]].map(playerOf);
    if (chosen.paused && !chosen.ended && pair.heard === other) chosen.currentTime = Math.min(other.currentTime, Math.max(0, (chosen.duration || 0) - 0.05));
    chosen.play().catch(() => {});
  }

  for (const pair of pairs) {
    pair.section.querySelector(".how").hidden = false;
    pair.sides.forEach((side, at) => {
      const button = side.querySelector(".switch");
      button.hidden = false;
      button.setAttribute("aria-label", `Listen to ${button.textContent}`);
      button.addEventListener("click", () => listen(pair, at));
      playerOf(side).addEventListener("play", () => {
        for (const player of document.querySelectorAll("audio")) if (player !== playerOf(side)) player.pause();
        pair.heard = playerOf(side);
        last = pair;
        show(pair);
      });
      playerOf(side).addEventListener("pause", () => show(pair));
    });
    pair.match.addEventListener("click", () => {
      pair.match.setAttribute("aria-pressed", String(pair.match.getAttribute("aria-pressed") !== "true"));
      level(pair);
    });
    level(pair);
  }

  document.addEventListener("keydown", (event) => {
    const at = ["a", "b"].indexOf(event.key.toLowerCase());
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey || !pairs.length) return;
    event.preventDefault();
    listen(last ?? pairs[0], at);
  });
})();
