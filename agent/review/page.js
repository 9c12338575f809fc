// The page's behaviour. Everything that comes from a candidate goes in as textContent; state lives on the server, drafts in
// this browser. `element` is the component; the functions of desk.py are reached as Gradio's API, one POST each.
const at = (selector) => element.querySelector(selector);
const config = window.gradio_config || {};
const base = (config.root || "") + (config.api_prefix || "/gradio_api");
const ZOOM = [1, 1.5, 2, 3, 4, 6, 8];
const pictures = new Map(); // the pictures fetched last, as promises of URLs
let reviewer = new URLSearchParams(location.search).get("reviewer") || "";
let items = [], busy = false, zoom = 0, began = 0, hiddenAt = 0, visible = false, boxed = true;

async function call(name, data) {
  for (let attempt = 0; ; attempt++) {
    let response;
    try {
      response = await fetch(`${base}/run/${name}`, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ data }),
      });
    } catch (error) {
      // The same request again: its token keeps an answer that did arrive from being stored twice.
      if (attempt === 3) throw new Error("The server cannot be reached. Your answer is not saved; answer again when it is back.");
      await new Promise((wake) => setTimeout(wake, 300 * 2 ** attempt));
      continue;
    }
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(body.error || body.detail || `The server answered ${response.status}.`);
    return body.data[0];
  }
}

// Direction overrides and control characters would show a reviewer something else than the text that is stored.
const plain = (text) => String(text ?? "").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

function picture(item) {
  if (!pictures.has(item.picture)) {
    pictures.set(item.picture, call("picture", [item.picture]));
    pictures.get(item.picture).catch(() => pictures.delete(item.picture));
    if (pictures.size > 4) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(item.picture);
}

async function show() {
  const item = items[0];
  at(".work").hidden = !item;
  at(".done").hidden = !!item;
  if (!item) return;
  at(".name").textContent = plain(item.name);
  at(".phenomenon").textContent = plain(item.phenomenon);
  at(".reasoning").textContent = plain(item.reasoning);
  const severity = at(".severity");
  severity.textContent = item.severity === null ? "none given" : `${item.severity}/100 ${item.word}` + (item.remark ? ` (${plain(item.remark)})` : "");
  severity.style.background = item.colour || "#535b65";
  readDraft(item);
  const img = at("img");
  if (img.dataset.key !== item.picture) {
    visible = false;
    enable();
    img.style.visibility = "hidden";
    at(".box").hidden = at(".missing").hidden = true;
    try {
      const url = await picture(item);
      if (items[0] !== item) return;
      img.src = url;
      await img.decode();
      if (items[0] !== item) return;
      img.dataset.key = item.picture;
      visible = true;
    } catch (error) {
      if (items[0] !== item) return;
      img.dataset.key = "";
      at(".missing").textContent = `The picture cannot be shown (${plain(error.message)}). You can only be unsure of it.`;
      at(".missing").hidden = false;
    }
    zoom = 0;
  }
  img.style.visibility = visible ? "visible" : "hidden";
  lay();
  enable();
  began = performance.now();
  if (items[1]) picture(items[1]).catch(() => {});
}

function lay() {
  const item = items[0], img = at("img"), stage = at(".stage"), box = at(".box");
  at(".zoom").textContent = `${Math.round(ZOOM[zoom] * 100)} %`;
  if (!item || !visible) return;
  const fit = Math.min(stage.clientWidth / img.naturalWidth, stage.clientHeight / img.naturalHeight);
  const scale = fit * ZOOM[zoom];
  at(".canvas").style.width = `${Math.floor(img.naturalWidth * scale)}px`;
  at(".canvas").style.height = `${Math.floor(img.naturalHeight * scale)}px`;
  img.classList.toggle("small", scale > 3);
  box.hidden = !(item.bbox && boxed);
  if (item.bbox) {
    const [x0, y0, x1, y1] = item.bbox, share = (v, of) => `${Math.min(Math.max((100 * v) / of, 0), 100)}%`;
    box.style.left = share(x0, img.naturalWidth);
    box.style.top = share(y0, img.naturalHeight);
    box.style.right = share(img.naturalWidth - x1, img.naturalWidth);
    box.style.bottom = share(img.naturalHeight - y1, img.naturalHeight);
  }
}

function scaleTo(step) {
  zoom = Math.min(Math.max(step, 0), ZOOM.length - 1);
  lay();
  const stage = at(".stage"), box = at(".box"), [x0, y0, x1, y1] = items[0]?.bbox || [0, 0, at("img").naturalWidth, at("img").naturalHeight];
  // What the candidate speaks of stays in the middle.
  const per = at(".canvas").clientWidth / at("img").naturalWidth;
  stage.scrollTo(((x0 + x1) / 2) * per - stage.clientWidth / 2, ((y0 + y1) / 2) * per - stage.clientHeight / 2);
}

function enable() {
  for (const button of element.querySelectorAll("[data-verdict]")) {
    button.disabled = !(visible || (button.dataset.verdict === "unsure" && !at(".missing").hidden));
  }
}

function take(state) {
  items = state.items;
  reviewer = state.reviewer;
  const { yours, finished, total, share, seconds } = state.progress;
  at(".count").textContent = `${finished} of ${total} done · ${yours} by you, ${reviewer}`;
  at("progress").value = share;
  at(".pace").textContent = seconds ? `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s each` : "";
  for (const button of element.querySelectorAll("[data-do=undo]")) button.disabled = !state.last;
  at(".told").textContent = finished === total
    ? "Everything has been reviewed. Thank you."
    : "Nothing is left for you: others have the rest. Reload later, in case they leave some of it.";
  at(".desk").hidden = false;
  at(".who").hidden = true;
  return show();
}

async function act(work) {
  if (busy) return;
  busy = true;
  at(".error").textContent = "";
  try { await work(); } catch (error) { at(".error").textContent = plain(error.message); } finally { busy = false; }
}

const SAID = { accept: "Accepted", reject: "Rejected", unsure: "Marked unsure" };
// Without a secure context, as over plain HTTP, there is no crypto.randomUUID.
const token = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");

const answer = (verdict) => act(async () => {
  const item = items[0], button = at(`[data-verdict=${verdict}]`);
  if (!item || button.disabled) return;
  const edit = edits(item), note = at("#review-note").value;
  const state = await call("verdict", [item.item, verdict, reviewer, token(), (performance.now() - began) / 1000, note, edit]);
  localStorage.removeItem(draftKey(item));
  await take(state);
  at(".status").textContent = `${SAID[verdict]}. ` + (items[0] ? `Next: ${plain(items[0].name)}` : "");
});

const undo = () => act(async () => {
  const state = await call("undo", [reviewer, token()]);
  if (state.undone) localStorage.setItem(draftKey(state.undone), JSON.stringify({ note: state.undone.note, edit: state.undone.edit }));
  await take(state);
  at(".status").textContent = state.undone ? `Taken back: ${SAID[state.undone.verdict].toLowerCase()}. Answer again.` : "There is nothing to take back.";
});

// Drafts outlive a refresh.
const draftKey = (item) => `review-draft:${reviewer}:${item.item}`;
const fields = () => element.querySelectorAll("[data-field]");

function edits(item) {
  const edit = {};
  if (at("#review-edit-part").hidden) return edit;
  for (const field of fields()) {
    const name = field.dataset.field;
    const value = name !== "severity" ? field.value.trim() : field.value === "" ? "" : Number(field.value);
    if (value !== "" && value !== (item[name] ?? "")) edit[name] = value;
  }
  return edit;
}

function writeDraft() {
  const item = items[0];
  if (item) localStorage.setItem(draftKey(item), JSON.stringify({ note: at("#review-note").value, edit: edits(item) }));
}

function readDraft(item) {
  let draft = {};
  try { draft = JSON.parse(localStorage.getItem(draftKey(item))) || {}; } catch { /* not ours */ }
  at("#review-note").value = draft.note || "";
  for (const field of fields()) field.value = draft.edit?.[field.dataset.field] ?? item[field.dataset.field] ?? "";
  open("note", !!draft.note);
  open("edit", Object.keys(draft.edit || {}).length > 0);
}

function open(part, shown) {
  at(`#review-${part}-part`).hidden = !shown;
  at(`[data-do=${part}]`).setAttribute("aria-expanded", String(shown));
}

function toggle(part) {
  const shown = at(`#review-${part}-part`).hidden;
  open(part, shown);
  if (shown) at(`#review-${part}-part`).querySelector("input, textarea").focus();
  writeDraft();
}

const actions = {
  in: () => scaleTo(zoom + 1),
  out: () => scaleTo(zoom - 1),
  fit: () => scaleTo(0),
  box: () => { boxed = !boxed; at("[data-do=box]").setAttribute("aria-pressed", String(boxed)); lay(); },
  undo,
  note: () => toggle("note"),
  edit: () => toggle("edit"),
};
const KEYS = { a: () => answer("accept"), r: () => answer("reject"), u: () => answer("unsure"), z: undo, n: actions.note,
  e: actions.edit, b: actions.box, "+": actions.in, "=": actions.in, "-": actions.out, 0: actions.fit };

function pressed(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", pressed);
  if (event.key === "Escape" && event.target.closest?.(".part")) return event.target.blur();
  const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
  const shown = !at(".desk").hidden && element.offsetParent !== null;
  if (typing || !shown || event.repeat || event.ctrlKey || event.metaKey || event.altKey || !at(".keys input").checked) return;
  const action = KEYS[event.key.toLowerCase()];
  if (action && items[0]) { event.preventDefault(); action(); } else if (event.key.toLowerCase() === "z") undo();
}

document.addEventListener("keydown", pressed);
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.verdict) answer(button.dataset.verdict);
  else if (button?.dataset.do) actions[button.dataset.do]();
});
element.addEventListener("input", (event) => { if (event.target.closest(".part")) writeDraft(); });
at(".keys input").checked = localStorage.getItem("review-keys") !== "off";
at(".keys input").addEventListener("change", (event) => localStorage.setItem("review-keys", event.target.checked ? "on" : "off"));
// Time with the page in the background is not time spent.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else if (hiddenAt) began += performance.now() - hiddenAt;
});
new ResizeObserver(lay).observe(at(".stage"));

// Who it is: the login, else the address, else the command's --reviewer, else who it was last time, else we ask.
const begin = () => act(async () => {
  let state = await call("next", [reviewer]);
  if (!state.reviewer && localStorage.getItem("review-name")) state = await call("next", [localStorage.getItem("review-name")]);
  if (state.reviewer) { localStorage.setItem("review-name", state.reviewer); return take(state); }
  at(".who").hidden = false;
  at("#review-name").focus();
});
at(".who").addEventListener("submit", (event) => {
  event.preventDefault();
  reviewer = at("#review-name").value;
  begin();
});
begin();
