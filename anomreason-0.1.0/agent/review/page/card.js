// The candidate in question: its texts, the reviewer's own answer, note, rating and corrections. Everything that comes from a
// candidate goes in as textContent; drafts are kept in this browser and outlive a refresh.
import { plain } from "./api.js";
import * as stage from "./stage.js";

const at = (selector) => document.querySelector(selector);
const card = at(".card:not(.add)");
const fields = card.querySelectorAll("[data-field]");
const SAID = { accept: "accepted", reject: "rejected", unsure: "unsure" };
const MISSED = "Is anything else wrong with this picture?";

let item = null, reviewer = "", rates = false, box = null;

export const name = (one) => (one.asks === "missed" ? "Was anything missed?" : plain(one.name));
export const said = (answer) => SAID[answer.verdict] + (answer.reason ? `, ${answer.reason}` : "");

// Shows an item; `rate` says whether severities are rated and the model's is hidden.
export function show(one, who, rate) {
  [item, reviewer, rates] = [one, who, rate];
  const missed = one.asks === "missed";
  at("#question").textContent = missed ? "One more question about the whole picture" : "Is this description correct for this picture?";
  card.querySelector(".name").textContent = missed ? MISSED : plain(one.name);
  card.querySelector("dl").hidden = missed;
  card.querySelector(".phenomenon").textContent = plain(one.phenomenon);
  card.querySelector(".reasoning").textContent = plain(one.reasoning);
  for (const part of card.querySelectorAll(".level, .edit-severity")) part.hidden = rates;
  if (!rates) {
    const severity = card.querySelector(".severity"), remark = one.remark ? ` (${plain(one.remark)})` : "";
    severity.textContent = one.severity === null ? "none given" : `${one.word} · ${one.severity}/100${remark}`;
    severity.style.background = one.colour || "#535b65";
  }
  card.querySelector(".accept span").textContent = missed ? "Nothing else" : "Accept";
  for (const part of card.querySelectorAll(".answers .reject, .reasons, [data-do=edit]")) part.hidden = missed;
  const own = card.querySelector(".own");
  own.hidden = !one.answer;
  own.textContent = one.answer ? `You answered: ${said(one.answer)}. Another answer replaces it.` : "";
  at("#rating").value = one.answer?.rating ?? "";
  openPart("rate", false);
  readDraft();
}

export const rating = () => (at("#rating").value === "" ? null : Number(at("#rating").value));
export const asksRating = (verdict) => rates && verdict === "accept" && item.asks === "candidate";
export const note = () => at("#note").value;

export function openPart(part, shown) {
  at(`#${part}-part`).hidden = !shown;
  card.querySelector(`[data-do=${part}]`)?.setAttribute("aria-expanded", String(shown));
  if (part === "edit") shown ? stage.edit(box, (changed) => { box = changed; writeDraft(); }) : stage.endEdit();
}

export function toggle(part) {
  const shown = at(`#${part}-part`).hidden;
  openPart(part, shown);
  if (shown) at(`#${part}-part`).querySelector("input, textarea").focus();
  writeDraft();
}

export function edits() {
  const edit = {};
  if (at("#edit-part").hidden) return edit;
  for (const field of fields) {
    const key = field.dataset.field;
    const value = key !== "severity" ? field.value.trim() : field.value === "" ? "" : Number(field.value);
    if (value !== "" && value !== (item[key] ?? "") && !(rates && key === "severity")) edit[key] = value;
  }
  if (box && String(box) !== String(item.bbox)) edit.bbox = box;
  return edit;
}

const draftKey = (key) => `review-draft:${reviewer}:${key}`;

export function writeDraft() {
  if (item) localStorage.setItem(draftKey(item.item), JSON.stringify({ note: note(), edit: edits() }));
}

// What was typed for an item, as when an answer was taken back.
export const keepDraft = (answer) => localStorage.setItem(draftKey(answer.item), JSON.stringify({ note: answer.note, edit: answer.edit }));
export const forgetDraft = (key) => localStorage.removeItem(draftKey(key));

export function forgetDrafts() {
  for (const key of Object.keys(localStorage)) if (key.startsWith(draftKey(""))) localStorage.removeItem(key);
}

function readDraft() {
  let draft = {};
  try { draft = JSON.parse(localStorage.getItem(draftKey(item.item))) || {}; } catch { /* not ours */ }
  const edit = draft.edit || item.answer?.edit || {};
  at("#note").value = draft.note ?? item.answer?.note ?? "";
  for (const field of fields) field.value = edit[field.dataset.field] ?? item[field.dataset.field] ?? "";
  box = edit.bbox ?? item.bbox;
  openPart("note", !!at("#note").value);
  openPart("edit", Object.keys(edit).length > 0);
}

card.addEventListener("input", writeDraft);
