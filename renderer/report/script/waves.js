// Waveforms: drawn while their row is near the screen, so that 500 of them cost nothing.
const near = new Set();
const outlines = new Map();
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let inks = {};

function readInks() {
  inks = { played: ink("--accent"), rest: ink("--wave"), mark: ink("--faint"), window: ink("--accent-soft") };
}

function outlineOf(take) {
  if (!outlines.has(take.peaks)) {
    outlines.set(take.peaks, Int8Array.from(atob(take.peaks), (byte) => byte.charCodeAt(0)));
  }
  return outlines.get(take.peaks);
}

function drawWave(canvas, take, played) {
  const peaks = outlineOf(take);
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width) return;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const brush = canvas.getContext("2d");
  brush.scale(scale, scale);
  drawWindows(brush, width, height, take);
  const bins = peaks.length / 2;
  const bars = Math.min(bins, Math.floor(width / 3));
  for (let bar = 0; bar < bars; bar += 1) {
    let low = 0;
    let high = 0;
    for (let bin = Math.floor((bar * bins) / bars); bin < Math.ceil(((bar + 1) * bins) / bars); bin += 1) {
      low = Math.min(low, peaks[2 * bin]);
      high = Math.max(high, peaks[2 * bin + 1]);
    }
    brush.fillStyle = (bar + 0.5) / bars < played ? inks.played : inks.rest;
    const tall = Math.max(1, ((high - low) / 254) * height);
    brush.fillRect((bar * width) / bars, (height / 2) * (1 - high / 127), Math.max(1, width / bars - 1), tall);
  }
  drawMarks(brush, width, height, take);
}

function drawRow(row) {
  const canvas = row.querySelector("canvas");
  if (!canvas) return;
  const take = takeOf(row);
  const heard = !blind && current && current.take.name === take.name ? deckOf(current).currentTime / current.seconds : 0;
  drawWave(canvas, take, heard);
}

const nearness = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) {
      near.add(entry.target);
      drawRow(entry.target);
    } else {
      near.delete(entry.target);
    }
  }
}, { rootMargin: "300px" });

function watchRows() {
  nearness.disconnect();
  near.clear();
  readInks();
  for (const row of rows.values()) nearness.observe(row);
}

function redraw() {
  readInks();
  near.forEach(drawRow);
}
window.addEventListener("resize", redraw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
