// Asks the server: sends a picture, reads what becomes of it as it comes, and finds out whether the server is still the same one.

const SILENCE = 30_000;  // milliseconds without a word (a running server has one at least every 15 s)

export class Lost extends Error {}

/** Which server answers: a word that it chose when it started; null while none does. */
export const born = async () => {
  try {
    const answer = await fetch("page/alive", { cache: "no-store", signal: AbortSignal.timeout(5_000) });
    return answer.ok ? (await answer.json()).born : null;
  } catch {
    return null;
  }
};

/** The messages about one picture, until it has ended. Throws `Lost` if the server goes away, an `Error` in words if it refuses. */
export async function* examine(file, way, language, signal) {
  const form = new FormData();
  form.append("files", file, file.name);
  const sent = await ask("gradio_api/upload", { method: "POST", body: form, signal });
  if (sent.status === 413) throw new Error("This file is too large; please choose a smaller one.");
  if (!sent.ok) throw new Lost();
  const [path] = await sent.json();
  const picture = { path, orig_name: file.name, meta: { _type: "gradio.FileData" } };
  const headers = { "Content-Type": "application/json", ...(await lent()) };
  const body = JSON.stringify({ data: [picture, way, language] });
  const asked = await ask("gradio_api/call/page", { method: "POST", headers, body, signal });
  if (asked.status === 503) throw new Error("Too many pictures are waiting already; please try again in a minute.");
  if (!asked.ok) throw new Lost();
  const { event_id } = await asked.json();
  for await (const { event, data } of events(await ask(`gradio_api/call/page/${event_id}`, { signal }))) {
    if (event === "error") throw new Lost();
    if (event === "generating") yield data[0];
    if (event === "complete") return;
  }
  throw new Lost();
}

const ask = async (address, options) => {
  try {
    return await fetch(address, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Lost();
  }
};

async function* events(answer) {
  if (!answer.ok) throw new Lost();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", watch;
  const silent = () => new Promise((_, fail) => { watch = setTimeout(() => fail(new Lost()), SILENCE); });
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), silent()]);
      clearTimeout(watch);
      if (done) return;
      text += value;
      const whole = text.split("\n\n");
      text = whole.pop();
      for (const block of whole) {
        const [, event] = block.match(/^event: (.*)$/m) || [], [, data] = block.match(/^data: (.*)$/m) || [];
        if (event) yield { event, data: JSON.parse(data || "null") };
      }
    }
  } catch (error) {
    throw error.name === "AbortError" ? error : new Lost();
  } finally {
    clearTimeout(watch);
    reader.cancel().catch(() => {});
  }
}

// Within huggingface.co's frame, ZeroGPU wants to know whose share of a GPU is used: the frame around the page says it.
let framed = false;
addEventListener("message", (event) => { if (event.data === "supports-zerogpu-headers") framed = true; });

const lent = () => {
  if (!framed || parent === window || !location.hostname.endsWith(".hf.space")) return {};
  return new Promise((tell) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => tell(data || {});
    setTimeout(() => tell({}), 2_000);
    parent.postMessage("zerogpu-headers", "https://huggingface.co", [port2]);
  });
};
