// What is long and rarely read (prompts as sent, all settings, a take's details) is packed, for it repeats itself;
// unpacked when the first fold is opened. The pieces were escaped like the rest of the page.
let folds = null;

async function unpack() {
  const bytes = Uint8Array.from(atob($("folds").textContent), (byte) => byte.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

document.addEventListener("toggle", async (event) => {
  const fold = event.target;
  if (!fold.matches(".fold") || fold.dataset.filled) return;
  fold.dataset.filled = "yes";
  folds ??= unpack();
  fold.insertAdjacentHTML("beforeend", (await folds)[Number(fold.dataset.fold)]);
}, true);
