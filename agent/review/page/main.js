// The review desk: what is on the screen is the server's state, and every key or button is one request.
import { about, call, picture, plain, Refused, token } from "./api.js";
import * as card from "./card.js";
import { openList, replaceIt } from "./list.js";
import * as stage from "./stage.js";

const at = (selector) => document.querySelector(selector);
const all = (selector) => document.querySelectorAll(selector);
const addForm = at("form.add"), img = at(".canvas img");
const SAID = { accept: "Accepted", reject: "Rejected", unsure: "Marked unsure" };

let reviewer = new URLSearchParams(location.search).get("reviewer") || "";
let login = false, state = null, focus = null, visible = false, busy = false, began = 0, hiddenAt = 0;
let single = localStorage.getItem("review-layout") === "single";

const current = () => state?.beside.find((one) => one.item === focus);
const adding = () => !addForm.hidden;
const seconds = () => (performance.now() - began) / 1000;

function take(next, words = "") {
  state = next;
  reviewer = next.reviewer;
  focus = next.focus;
  all(".desk, .progress").forEach((part) => { part.hidden = false; });
  at(".who").hidden = true;
  const { yours, finished, total, share, seconds: pace } = next.progress;
  at(".count").textContent = `${finished} of ${total} done · ${yours} by you, ${reviewer}`;
  at("progress").value = share;
  at(".pace").textContent = pace ? `${pace < 10 ? pace.toFixed(1) : Math.round(pace)} s each` : "";
  all("[data-do=undo]").forEach((button) => { button.disabled = !next.last; });
  at(".work").hidden = !next.picture;
  at(".done").hidden = !!next.picture;
  at(".told").textContent = finished === total
    ? "Everything has been reviewed. Thank you."
    : "Nothing is left for you: others have the rest. Reload later, in case they leave some of it.";
  at(".status").textContent = words;
  if (next.picture) return show();
}

async function show() {
  closeAdd();
  const key = state.picture;
  if (img.dataset.key !== key) {
    img.dataset.key = "";
    visible = false;
    stage.setVisible(false);
    at(".missing").hidden = true;
    showItem();
    try {
      const url = await picture(key);
      if (state.picture !== key) return;
      await stage.showPicture(url);
      if (state.picture !== key) return;
      img.dataset.key = key;
      visible = true;
    } catch (error) {
      if (state.picture !== key) return;
      at(".missing").textContent = `The picture cannot be shown (${plain(error.message)}). You can only be unsure, or skip it.`;
      at(".missing").hidden = false;
    }
  }
  stage.setVisible(visible);
  showItem();
  const next = state.items.find((one) => one.picture !== key);
  if (next) picture(next.picture).catch(() => {});
}

function showItem() {
  const item = current();
  card.show(item, reviewer, state.rate_severity);
  at(".together").hidden = single || state.beside.length < 2;
  at(".rows").replaceChildren(...state.beside.map(row));
  at(".rows [aria-current=true]")?.scrollIntoView({ block: "nearest" });
  const boxes = state.beside.map((one, index) => ({ key: one.item, number: index + 1, box: one.answer?.edit.bbox ?? one.bbox, current: one === item }));
  stage.setBoxes(single ? boxes.filter((one) => one.current) : boxes, look);
  for (const button of all("[data-verdict]")) button.disabled = !(visible || (button.dataset.verdict === "unsure" && !at(".missing").hidden));
  at("[data-do=add]").disabled = !visible;
  began = performance.now();
}

function row(one, index) {
  const li = document.createElement("li"), button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-current", String(one.item === focus));
  const parts = { number: index + 1, title: card.name(one), mark: one.answer ? card.said(one.answer) : "", short: plain(one.phenomenon) };
  for (const [part, text] of Object.entries(parts)) {
    const span = document.createElement("span");
    span.className = part === "mark" ? `mark ${one.answer?.verdict ?? ""}` : part;
    span.textContent = text;
    button.append(span);
  }
  button.addEventListener("click", () => look(one.item));
  li.append(button);
  return li;
}

function look(key) {
  if (adding() || busy) return;
  focus = key;
  showItem();
}

function step(by) {
  const index = state.beside.findIndex((one) => one.item === focus) + by;
  if (state.beside[index]) look(state.beside[index].item);
}

// One request at a time; what goes wrong is told.
async function act(work) {
  if (busy) return;
  busy = true;
  at(".error").textContent = "";
  try {
    await work();
  } catch (error) {
    if (error.status === 401) askWho();
    at(".error").textContent = plain(error.message);
  } finally {
    busy = false;
  }
}

// Sends an event; before it replaces what another tab has answered meanwhile, the person is asked.
async function send(event, fields, stated, question, verb) {
  try {
    return await call(event, { reviewer, token: token(), ...fields });
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 409) throw error;
    if (!(await replaceIt(error.standing, question, verb))) return null;
    return send(event, { ...fields, [stated]: error.standing?.event ?? 0 }, stated, question, verb);
  }
}

const refresh = async () => take(await call("next", { reviewer }), "Kept.");

const answer = (verdict, reason = null) => act(async () => {
  const item = current(), button = at(`[data-verdict=${verdict}]`);
  if (!item || button.disabled) return;
  if (item.asks === "missed" && verdict === "reject") return openAdd();
  const rating = card.asksRating(verdict) ? card.rating() : null;
  if (card.asksRating(verdict) && (rating === null || at("#rate-part").hidden)) {
    card.openPart("rate", true);
    return at("#rating").focus();
  }
  const fields = { item: item.item, verdict, reason, rating, replaces: item.answer?.event ?? 0, seconds: seconds(), note: card.note(), edit: card.edits() };
  const next = await send("verdict", fields, "replaces", `Replace that with: ${verdict}${reason ? `, ${reason}` : ""}?`, "Replace it");
  card.forgetDraft(item.item);
  if (!next) return refresh();
  const words = `${SAID[verdict]}${reason ? `, ${reason}` : ""}. `;
  document.activeElement?.closest?.(".part")?.querySelector(":focus")?.blur();
  await take(next, words + (next.focus ? `Next: ${card.name(next.beside.find((one) => one.item === next.focus))}` : ""));
});

const undo = () => act(async () => {
  if (!state?.last) return;
  const next = await send("undo", { last: state.last.event }, "last", "Take that answer back?", "Take it back");
  if (!next) return refresh();
  if (next.undone) card.keepDraft(next.undone);
  await take(next, next.undone ? `Taken back: ${card.said(next.undone)}. Answer again.` : "There is nothing to take back.");
});

const skip = () => act(async () => {
  if (!state?.picture) return;
  const left = state.picture, next = await call("skip", { reviewer, picture: left });
  await take(next, next.picture === left ? "Nothing else is left to do before it." : "Skipped. It comes again after everything else.");
});

const jump = (key) => act(async () => take(await call("next", { reviewer, show: key })));

function openAdd() {
  if (!visible || adding()) return;
  for (const part of ["note", "edit", "rate"]) card.openPart(part, false);
  addForm.hidden = false;
  at(".card:not(.add)").hidden = true;
  stage.edit(null, toldBox);
  toldBox(null);
  at("#add-name").focus();
}

function closeAdd() {
  if (!adding()) return;
  addForm.hidden = true;
  at(".card:not(.add)").hidden = false;
  stage.endEdit();
}

function toldBox(box) {
  at(".has-box").textContent = box ? `Box ${box.map(Math.round).join(", ")}` : "No box yet";
}

addForm.addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => {
    const said = Object.fromEntries(new FormData(addForm));
    const fields = { ...said, severity: Number(said.severity), bbox: stage.draftBox(), beside: focus, seconds: seconds() };
    const next = await call("add", { reviewer, token: token(), ...fields });
    addForm.reset();
    addForm.querySelector(":focus")?.blur();
    await take(next, "Added. You have accepted it.");
  });
});

function toggleLayout() {
  single = !single;
  localStorage.setItem("review-layout", single ? "single" : "together");
  at("[data-do=layout]").setAttribute("aria-pressed", String(single));
  if (state?.picture && !adding()) showItem();
}

function toggleGuidelines() {
  const panel = at("#guidelines"), button = at("[data-do=guidelines]");
  if (button.hidden) return;
  panel.hidden = !panel.hidden;
  button.setAttribute("aria-expanded", String(!panel.hidden));
}

const leave = () => act(async () => {
  card.forgetDrafts();
  localStorage.removeItem("review-name");
  await call(login ? "logout" : "leave", login ? {} : { reviewer });
  location.replace(location.pathname); // without ?reviewer=NAME
});

const actions = {
  in: stage.zoomIn, out: stage.zoomOut, fit: stage.fit, box: stage.placeBox, unbox: stage.removeBox, undo, skip, leave,
  boxes: () => at("[data-do=boxes]").setAttribute("aria-pressed", String(stage.toggleBoxes())),
  note: () => card.toggle("note"), edit: () => card.toggle("edit"), add: openAdd, close: () => { closeAdd(); showItem(); },
  list: () => openList(reviewer, jump), guidelines: toggleGuidelines, layout: toggleLayout, keys: () => at("#keys").showModal(),
};
const KEYS = { z: undo, s: skip, m: openAdd, b: actions.boxes, x: stage.placeBox, n: actions.note, e: actions.edit, j: () => step(1), k: () => step(-1),
  "+": stage.zoomIn, "=": stage.zoomIn, "-": stage.zoomOut, 0: stage.fit };
const ALWAYS = { z: undo, l: actions.list, g: toggleGuidelines, v: toggleLayout, "?": actions.keys };
for (const button of all("[data-verdict]")) KEYS[button.getAttribute("aria-keyshortcuts")] = () => answer(button.dataset.verdict, button.dataset.reason ?? null);

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select");
  if (event.key === "Escape" && (typing || adding())) {
    event.target.blur?.();
    if (adding()) actions.close();
    return;
  }
  const key = event.key.toLowerCase();
  if (typing || !state || event.repeat || event.ctrlKey || event.metaKey || event.altKey || !at(".switch input").checked) return;
  const action = (state.picture && !(adding() && key !== "x") && KEYS[key]) || (!adding() && ALWAYS[key]);
  if (action) {
    event.preventDefault();
    action();
  }
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.verdict) answer(button.dataset.verdict, button.dataset.reason ?? null);
  else if (button?.dataset.do) actions[button.dataset.do]();
});
at("#rate-part").addEventListener("submit", (event) => {
  event.preventDefault();
  answer("accept");
});
at(".switch input").checked = localStorage.getItem("review-keys") !== "off";
at(".switch input").addEventListener("change", (event) => localStorage.setItem("review-keys", event.target.checked ? "on" : "off"));
at("[data-do=layout]").setAttribute("aria-pressed", String(single));
// Time with the page in the background is not time spent.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else if (hiddenAt) began += performance.now() - hiddenAt;
});

function askWho() {
  at(".who").hidden = false;
  all(".desk, .progress, .work, .done").forEach((part) => { part.hidden = true; });
  at(".password").hidden = !login;
  at("#who-password").required = login;
  at("#who-name").focus();
}

// Who it is: the login, else the address, else the command's --reviewer, else who it was last time, else we ask.
const begin = () => act(async () => {
  const told = await about();
  login = told.login;
  at("#guidelines").innerHTML = told.guidelines; // made by guidelines.py, where nothing runs
  at("[data-do=guidelines]").hidden = !told.guidelines;
  let first;
  try {
    first = await call("next", { reviewer });
  } catch (error) {
    if (error.status !== 401) throw error;
    return askWho();
  }
  if (!first.reviewer && localStorage.getItem("review-name")) first = await call("next", { reviewer: localStorage.getItem("review-name") });
  if (!first.reviewer) return askWho();
  localStorage.setItem("review-name", first.reviewer);
  return take(first);
});

at(".who").addEventListener("submit", (event) => {
  event.preventDefault();
  reviewer = at("#who-name").value;
  act(async () => {
    if (login) await call("login", { name: reviewer, password: at("#who-password").value });
    at("#who-password").value = "";
  }).then(() => at(".error").textContent || begin());
});
begin();
