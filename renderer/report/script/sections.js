// Sections: marks on the waveform, buttons that jump, and a loop that holds in A and B alike.
let looped = null;

const marksOf = (sound) => (sound && sound.seconds ? sound.take.marks : []);
const scaleOf = (sound) => sound.seconds / (sound.take.seconds || sound.seconds);
const startOf = (sound, number) => marksOf(sound)[number][1] * scaleOf(sound);
const endOf = (sound, number) => (number + 1 < marksOf(sound).length ? startOf(sound, number + 1) : sound.seconds);

// The last section that has begun; none before the first.
function sectionAt(sound, seconds) {
  return marksOf(sound).findLastIndex((_, number) => startOf(sound, number) <= seconds + 0.01);
}

function drawMarks(brush, width, height, take) {
  if (!take.seconds) return;
  brush.fillStyle = inks.mark;
  for (const [, start] of take.marks) brush.fillRect(Math.round((start / take.seconds) * width), 0, 1, height);
}

// Built anew only for another sound: a click must find the button that it began on.
let listed = null;
function showSections() {
  const sound = blind ? null : current;
  const marks = marksOf(sound);
  $("sections").hidden = !marks.length;
  $("loop").hidden = !marksOf(current).length;
  $("loop").setAttribute("aria-pressed", String(looped !== null));
  if (!marks.length) return;
  if (listed !== sound.id) {
    listed = sound.id;
    const how = sound.take.estimated ? "Sections, about:" : "Sections:";
    $("sections-how").textContent = how;
    $("sections-how").title = sound.take.estimated ? "Estimated from the layout of the lyrics" : "";
    const buttons = marks.map(([label], number) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "section-at";
      button.dataset.section = String(number);
      button.textContent = `${label} ${sound.take.estimated ? "≈ " : ""}${clock(startOf(sound, number))}`;
      return button;
    });
    $("sections").replaceChildren($("sections-how"), ...buttons);
  }
  const now = sectionAt(sound, position());
  for (const button of $("sections").querySelectorAll(".section-at")) {
    button.setAttribute("aria-current", String(Number(button.dataset.section) === now));
  }
}

// The number of the section, not its seconds: what is compared may be longer, and is looped where its own begins.
function toggleLoop() {
  if (looped !== null) {
    looped = null;
    say("The loop is off.");
  } else if (marksOf(current).length) {
    looped = Math.max(0, sectionAt(current, position()));
    say(`Looping ${blind ? "this section" : marksOf(current)[looped][0]}.`);
  }
  showSections();
}

// Asked whenever the playing sound tells its time.
function keepInLoop() {
  if (looped === null || !isPlaying()) return;
  if (looped >= marksOf(current).length) {
    looped = null;
    return;
  }
  const start = startOf(current, looped);
  if (position() < start - 0.3 || position() >= endOf(current, looped) - 0.05) deckOf(current).currentTime = start;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.id === "loop") toggleLoop();
  else if (button.matches(".section-at")) {
    const number = Number(button.dataset.section);
    if (looped !== null) looped = number;
    seekTo(startOf(current, number));
  }
});
