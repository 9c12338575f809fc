// The list of all candidates: search, filter, jump. And the question that is asked before a newer answer is replaced.
import { call, plain } from "./api.js";
import { said } from "./card.js";

const at = (selector) => document.querySelector(selector);
const dialog = at("#list"), results = dialog.querySelector(".results"), more = dialog.querySelector(".show-more");
const STATES = { open: "open", skipped: "skipped", accept: "accepted", reject: "rejected", unsure: "unsure" };

let reviewer = "", jump = () => {}, timer = 0, asked = 0;

// Opens the list; `onPick` is told the key of the item that is chosen.
export function openList(who, onPick) {
  [reviewer, jump] = [who, onPick];
  dialog.showModal();
  at("#words").select();
  fill(0);
}

async function fill(start) {
  const turn = ++asked;
  let found;
  try {
    found = await call("search", { reviewer, words: at("#words").value, state: at("#state").value, start });
  } catch (error) {
    dialog.querySelector(".found").textContent = plain(error.message);
    return;
  }
  if (turn !== asked) return; // typed on meanwhile
  if (!start) results.replaceChildren();
  for (const one of found.items) {
    const row = document.createElement("li"), button = document.createElement("button"), parts = { title: plain(one.name), short: plain(one.phenomenon), [`mark ${one.state}`]: STATES[one.state] };
    button.type = "button";
    for (const [part, text] of Object.entries(parts)) {
      const span = document.createElement("span");
      span.className = part;
      span.textContent = text;
      button.append(span);
    }
    button.addEventListener("click", () => { dialog.close(); jump(one.item); });
    row.dataset.picture = one.picture;
    row.classList.toggle("other", results.lastChild !== null && results.lastChild.dataset.picture !== one.picture);
    row.append(button);
    results.append(row);
  }
  dialog.querySelector(".found").textContent = `${found.total} found`;
  more.hidden = start + found.items.length >= found.total;
}

at("#words").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(fill, 150, 0); });
at("#state").addEventListener("change", () => fill(0));
more.addEventListener("click", () => fill(results.childElementCount));
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
// Enter in the search takes the first one found.
dialog.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  results.querySelector("button")?.click();
});

// Whether what was answered in another tab is to be replaced (or taken back, as the verb says) all the same.
export function replaceIt(standing, question, verb) {
  const conflict = at("#conflict");
  at("#conflict-said").textContent = standing
    ? `In another tab or window you have answered: ${said(standing)}. ${question}`
    : `In another tab or window you have taken your answer back. ${question}`;
  conflict.querySelector(".primary").textContent = verb;
  conflict.returnValue = "";
  conflict.showModal();
  return new Promise((decided) => conflict.addEventListener("close", () => decided(conflict.returnValue === "replace"), { once: true }));
}
