"use strict";
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const rows = [...document.querySelectorAll(".take")];
  const rowOf = new Map(rows.map((row) => [Number(row.dataset.take), row]));
  const audio = new Audio();
  let current = null;

  // ---- waveforms: drawn when they come into view, let go when they leave it
  const decode = (text) => Int8Array.from(atob(text), (byte) => byte.charCodeAt(0));
  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function draw(row) {
    const canvas = row.querySelector("canvas");
    const take = Number(row.dataset.take);
    if (!canvas || !canvas.clientWidth) return;
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const brush = canvas.getContext("2d");
    brush.scale(scale, scale);
    const peaks = decode(facts.peaks[take]);
    const bins = peaks.length / 2;
    const num = Math.min(bins, Math.floor(width / 3));
    const played = take === current ? audio.currentTime / facts.takes[take].seconds : 0;
    const colors = [ink("--accent"), ink("--wave")];
    for (let bar = 0; bar < num; bar += 1) {
      let low = 0;
      let high = 0;
      for (let bin = Math.floor((bar * bins) / num); bin < Math.ceil(((bar + 1) * bins) / num); bin += 1) {
        low = Math.min(low, peaks[2 * bin]);
        high = Math.max(high, peaks[2 * bin + 1]);
      }
      brush.fillStyle = colors[(bar + 0.5) / num < played ? 0 : 1];
      const top = (height / 2) * (1 - high / 127);
      brush.fillRect((bar * width) / num, top, Math.max(1, width / num - 1), Math.max(1, ((high - low) / 254) * height));
    }
  }

  const visible = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const row = entry.target;
      if (entry.isIntersecting) {
        visible.add(row);
        draw(row);
      } else {
        visible.delete(row);
      }
    }
  }, { rootMargin: "200px" });
  for (const row of rows) watcher.observe(row);
  const redraw = () => visible.forEach(draw);
  window.addEventListener("resize", redraw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // ---- playing
  function play(take, from) {
    if (take !== current) {
      const before = current;
      current = take;
      audio.src = facts.takes[take].audio;
      if (before !== null) draw(rowOf.get(before));
    }
    if (from !== undefined) audio.currentTime = from;
    audio.play().catch((error) => tell(take, error));
  }

  function tell(take, error) {
    if (error.name === "AbortError") return;
    const wave = rowOf.get(take).querySelector(".wave");
    wave.title = `This browser can't play it: ${error.message}`;
  }

  function show() {
    for (const row of rows) row.classList.toggle("playing", Number(row.dataset.take) === current && !audio.paused);
    if (current === null) return;
    const row = rowOf.get(current);
    row.querySelector(".seek").value = audio.currentTime;
    draw(row);
  }
  for (const event of ["timeupdate", "play", "pause", "ended", "seeked"]) audio.addEventListener(event, show);

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".play");
    if (!button) return;
    const take = Number(button.closest(".take").dataset.take);
    if (take === current && !audio.paused) audio.pause();
    else play(take);
  });
  document.addEventListener("input", (event) => {
    if (!event.target.matches(".seek")) return;
    play(Number(event.target.closest(".take").dataset.take), Number(event.target.value));
  });

  // ---- prompts: unpacked when first opened
  let prompts = null;
  async function unpack() {
    const bytes = Uint8Array.from(atob(document.getElementById("prompts").textContent), (byte) => byte.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return JSON.parse(await new Response(stream).text());
  }
  document.addEventListener("toggle", async (event) => {
    const fold = event.target;
    if (!fold.matches(".prompts") || fold.dataset.filled) return;
    fold.dataset.filled = "yes";
    prompts ??= unpack();
    const sent = (await prompts)[Number(fold.dataset.prompts)];
    for (const [name, text] of Object.entries(sent)) {
      const title = document.createElement("h5");
      title.textContent = name;
      const body = document.createElement("pre");
      body.textContent = text;
      body.dir = "auto";
      body.tabIndex = 0;
      fold.append(title, body);
    }
  }, true);
})();
