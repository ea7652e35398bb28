// Prompts as sent: packed, because they repeat the lyrics; unpacked when the first is opened.
let prompts = null;

async function unpack() {
  const bytes = Uint8Array.from(atob($("prompts").textContent), (byte) => byte.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

function block(name, text) {
  const title = document.createElement("h5");
  title.textContent = name;
  const body = document.createElement("pre");
  body.textContent = text;
  body.dir = "auto";
  body.tabIndex = 0;
  return [title, body];
}

document.addEventListener("toggle", async (event) => {
  const fold = event.target;
  if (!fold.matches(".prompts") || fold.dataset.filled) return;
  fold.dataset.filled = "yes";
  prompts ??= unpack();
  const sent = (await prompts)[Number(fold.dataset.prompts)];
  fold.append(...Object.entries(sent).flatMap(([name, text]) => block(name, text)));
}, true);
