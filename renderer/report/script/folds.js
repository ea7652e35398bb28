// What is long and rarely read (prompts as sent, all settings, a take's details) is packed, for it repeats itself;
// unpacked when the first fold is opened: of all songs together, or of very many takes of its song. The pieces were escaped like the rest of the page.
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (byte) => byte.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

document.addEventListener("toggle", async (event) => {
  const fold = event.target;
  if (!fold.matches(".fold") || fold.dataset.filled) return;
  fold.dataset.filled = "yes";
  const { place } = facts.bySong.get(songOf(fold).id);
  const pack = facts.packs[facts.together ? 0 : place];
  pack.pieces ??= unpack(pack.packed);
  const pieces = await pack.pieces;
  fold.insertAdjacentHTML("beforeend", (facts.together ? pieces[place] : pieces)[Number(fold.dataset.fold)]);
}, true);
