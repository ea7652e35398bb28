"use strict";
// One sound at a time: who starts a player has heard enough of the others.
document.addEventListener("play", (event) => {
  for (const player of document.querySelectorAll("audio")) if (player !== event.target) player.pause();
}, true);
