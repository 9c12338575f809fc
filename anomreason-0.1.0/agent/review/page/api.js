// Requests to the server: one POST per event of the desk, and pictures by their key.

export class Refused extends Error {
  constructor(message, status, standing) {
    super(message);
    this.status = status;
    this.standing = standing;
  }
}

// Without a secure context, as over plain HTTP, there is no crypto.randomUUID.
export const token = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");

export async function call(event, fields = {}) {
  const body = JSON.stringify(fields);
  for (let attempt = 0; ; attempt++) {
    let response;
    try {
      response = await fetch(`api/${event}`, { method: "POST", headers: { "content-type": "application/json" }, body });
    } catch {
      // The same request again: its token keeps an answer that did arrive from being stored twice.
      if (attempt === 3) throw new Refused("The server cannot be reached. Your answer is not saved; answer again when it is back.", 0);
      await new Promise((wake) => setTimeout(wake, 300 * 2 ** attempt));
      continue;
    }
    const said = await response.json().catch(() => ({}));
    if (!response.ok) throw new Refused(said.error || `The server answered ${response.status}.`, response.status, said.standing);
    return said;
  }
}

export const about = async () => (await fetch("api/about")).json();

const pictures = new Map(); // key → promise of an object URL; the ones fetched last

export function picture(key) {
  if (!pictures.has(key)) {
    pictures.set(key, load(key));
    pictures.get(key).catch(() => pictures.delete(key));
    if (pictures.size > 4) {
      const [oldest, url] = pictures.entries().next().value;
      pictures.delete(oldest);
      url.then(URL.revokeObjectURL, () => {});
    }
  }
  return pictures.get(key);
}

async function load(key) {
  const response = await fetch(`pictures/${encodeURIComponent(key)}`);
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error || `the server answered ${response.status}`);
  return URL.createObjectURL(await response.blob());
}

// Direction overrides and control characters would show a reviewer something else than the text that is stored.
export const plain = (text) => String(text ?? "").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
