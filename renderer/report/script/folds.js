// What is long and rarely read (prompts as sent, all settings, a take's details) is packed, for it repeats itself;
// unpacked when the first fold is opened: of all songs together, or of very many takes of its song. The pieces were escaped like the rest of the page.
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (byte) => byte.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

async function pieceOf(song, number) {
  const { place } = facts.bySong.get(song.id);
  const pack = facts.packs[facts.together ? 0 : place];
  pack.pieces ??= unpack(pack.packed);
  const pieces = await pack.pieces;
  return (facts.together ? pieces[place] : pieces)[number];
}

const filling = new WeakMap();
function fill(fold) {
  if (!filling.has(fold)) filling.set(fold, pieceOf(songOf(fold), Number(fold.dataset.fold)).then((piece) => fold.insertAdjacentHTML("beforeend", piece)));
  return filling.get(fold);
}

document.addEventListener("toggle", (event) => {
  if (event.target.matches(".fold")) fill(event.target);
}, true);
