// The page. Each picture is an item that holds all that is known of it; the page shows one item at a time and nothing else.
// So an answer is never shown with another picture. Items live only in this page: a reload forgets them.
import { evidence } from "./evidence.js";
import { Lost, born, examine } from "./server.js";
import { drawSheet } from "./sheet.js";

const find = (selector) => document.querySelector(selector);
const root = find("#picture"), columns = find(".ar-columns"), stage = find(".ar-stage"), frame = find(".ar-frame"), image = find(".ar-frame img");
const field = find("input[type=file]"), message = find(".ar-message"), said = find(".ar-said"), panes = find(".ar-panes");
const cancel = find("[data-do=cancel]"), again = find("[data-do=again]"), another = find("[data-do=another]");
const answer = find("#answer"), unseen = find(".ar-unseen"), about = find(".ar-about"), language = find(".ar-language");
const LIMIT = Number(root.dataset.limit);
const shown = evidence(root, answer);

let items = [], now = null, work = null, server = null;
born().then((word) => { server = word; });

// ---- An item: {file, address, state, message, note}. States: new, looking, ended, stopped, lost, refused.

const take = (files) => {
  const fit = files.filter((file) => file.size <= LIMIT);
  if (!fit.length) {
    message.textContent = files.length ? `This file is larger than ${LIMIT / 2 ** 20} MB; please choose a smaller one.` : message.textContent;
    return;
  }
  work?.abort();
  for (const item of items) URL.revokeObjectURL(item.address);
  items = fit.map((file) => ({ file, address: URL.createObjectURL(file), state: "new", message: null, note: "" }));
  const left = files.length - fit.length;
  message.textContent = left ? `${left} of the files are larger than ${LIMIT / 2 ** 20} MB and were left out.` : "";
  show(items[0]);
  run();
};

/** Look at all items that are new, one by one. */
const run = async () => {
  work?.abort();
  const mine = work = new AbortController();
  for (const item of items.filter((one) => one.state === "new")) {
    if (mine.signal.aborted) return;
    if (items.length > 1 && now.state !== "looking" && !now.chosen) show(item);
    await look(item, mine.signal);
    if (item.state === "lost") break;  // the others would be lost as well
  }
  if (work === mine) work = null;
  update();
};

const look = async (item, signal) => {
  Object.assign(item, { state: "looking", message: null, note: "" });
  update(item);
  try {
    const way = find("[name=way]:checked")?.value || "examine";
    const asked = language && !language.hidden && language.querySelector("input").checked ? spoken : "";
    for await (const told of examine(item.file, way, asked, signal)) {
      item.message = told;
      item.state = ["ended", "refused"].includes(told.state) ? told.state : "looking";
      update(item);
      follow(item);
    }
    if (item.state === "looking") throw new Lost();
  } catch (error) {
    if (signal.aborted) item.state = "stopped";
    else if (error instanceof Lost) await lose(item);
    else Object.assign(item, { state: "refused", message: { state: "refused", problem: error.message, later: true, panes: [] } });
  }
  update(item);
};

/** On a phone the answer lies below the picture: go there once there is something to read. */
const follow = (item) => {
  if (item !== now || item.followed) return;
  if (!panes.querySelector(".ar-card[data-number], .ar-results[aria-busy=false]")) return;
  item.followed = true;
  reveal();
};
const reveal = () => { if (matchMedia("(max-width: 46rem)").matches) answer.scrollIntoView({ block: "start" }); };

/** The server is gone: say so, and say so again when it is back. */
const lose = async (item) => {
  item.state = "lost";
  item.note = "The server cannot be reached. Your picture is still here; this page looks for the server again.";
  if (server !== null && (await born()) === server) {
    item.note = "The connection broke off before the answer was complete. Your picture is still here: examine it again.";
    return;
  }
  const wait = setInterval(async () => {
    const word = await born();
    if (item.state !== "lost" || word === null) return;
    clearInterval(wait);
    item.note = word === server ? "The server answers again" : "The server was restarted and has forgotten your picture";
    item.note += ". It is still here: examine it again.";
    server = word;
    update(item);
  }, 2_000);
};

// ---- Showing an item

const show = (item) => {
  now = item;
  shown.forget();
  panes.replaceChildren(pane(0));
  root.dataset.state = "shown";
  unseen.hidden = true;
  image.alt = `The picture ${item.file.name}`;
  image.src = item.message?.preview || item.address;
  update(item);
};
const pane = (at) => {
  const element = document.createElement("div");
  element.className = "ar-pane";
  element.id = at ? `results-${at + 1}` : "results";
  return element;
};

const update = (changed = now) => {
  const busy = items.some((item) => item.state === "looking");
  if (root.dataset.busy !== (busy ? "yes" : "no")) root.dataset.busy = busy ? "yes" : "no";
  const focused = document.activeElement;
  cancel.hidden = !busy;
  again.hidden = busy || !now || Boolean(now.message?.restored);
  another.hidden = busy || !now;
  // After a complete answer the next picture is what most people want; else the same one again.
  const whole = now?.state === "ended";
  again.classList.toggle("primary", !whole);
  another.classList.toggle("primary", whole);
  if (busy && [again, another].includes(focused)) cancel.focus();
  if (!busy && focused === cancel) (again.hidden ? another : again).focus();
  drawSheet(find(".ar-sheet"), items, now, (item) => { item.chosen = true; show(item); });
  if (!now || changed !== now) return;
  const told = now.message;
  if (now.state === "refused" && told) return refuse(told);
  said.textContent = now.note;
  if (told?.preview && !image.src.startsWith("data:")) image.src = told.preview;
  if (told) {
    while (panes.children.length > told.panes.length) panes.lastChild.remove();
    told.panes.forEach((one, at) => fill(panes.children[at] || panes.appendChild(pane(at)), one.html));
    if (now.drawn !== JSON.stringify(told.panes.map((one) => one.boxes))) {
      now.drawn = JSON.stringify(told.panes.map((one) => one.boxes));
      shown.draw(told.panes);
    }
  } else {
    now.drawn = undefined;
    shown.forget();
    fill(panes.firstChild, '<section class="ar-results" data-status="looking" aria-busy="true"><header class="ar-results-head"><h2>Looking…</h2></header><div class="ar-card ar-skeleton" aria-hidden="true"><i></i><i></i><i></i></div></section>');
  }
  if (["stopped", "lost"].includes(now.state)) stop();
  find(".ar-keys").hidden = !panes.querySelector(".ar-card[tabindex]");
  tell(told?.about || []);
};

/** What was found before it was stopped stays, and says that it is not all. */
const stop = () => {
  for (const section of panes.querySelectorAll(".ar-results")) {
    if (section.getAttribute("aria-busy") !== "true") continue;
    section.dataset.status = now.state;
    section.setAttribute("aria-busy", "false");
    section.querySelector(".ar-skeleton")?.remove();
    section.querySelector(".ar-waiting")?.remove();
    const found = section.querySelectorAll(".ar-card").length, lost = now.state === "lost";
    section.querySelector("h2").textContent = found ? "Stopped: incomplete" : lost ? "No answer" : "Stopped";
    if (lost) continue;  // what has happened is told above
    const note = document.createElement("p");
    note.className = "ar-note";
    note.textContent = found ? "This answer is not complete: the model was still writing." : "The model had found nothing when it was stopped.";
    section.querySelector("header").after(note);
  }
};

const refuse = (told) => {
  const section = document.createElement("section"), notice = document.createElement("div"), text = document.createElement("p");
  section.className = "ar-results";
  section.dataset.status = "failed";
  section.innerHTML = '<header class="ar-results-head"><h2>That did not work</h2></header>';
  notice.className = "ar-notice";
  notice.setAttribute("role", "alert");
  text.textContent = told.problem;
  notice.append(text);
  section.append(notice);
  panes.replaceChildren(pane(0));
  panes.firstChild.append(section);
  shown.forget();
  said.textContent = "";
  reveal();
  if (told.later || items.length > 1) {
    notice.insertAdjacentHTML("beforeend", '<button type="button" class="ar-button" data-again>Try again</button>');
    return;
  }
  items = [];  // no picture after all
  now = null;
  root.dataset.state = "empty";
  image.removeAttribute("src");
  again.hidden = another.hidden = unseen.hidden = find(".ar-zoom").hidden = true;
  tell([]);
};

/** Put HTML of the server's templates into a pane; what is the same stays, with the focus that it may have. */
const fill = (pane, html) => {
  if (pane.dataset.html === html) return;
  pane.dataset.html = html;
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  const old = pane.querySelector(".ar-cards"), list = fresh.querySelector(".ar-cards");
  if (old && list) {
    [...list.children].forEach((card, at) => {
      const before = old.children[at];
      if (before && clean(before) === clean(card)) return;
      before ? before.replaceWith(card.cloneNode(true)) : old.append(card.cloneNode(true));
    });
    while (old.children.length > list.children.length) old.lastChild.remove();
    list.replaceWith(old);
  }
  const section = pane.firstElementChild, next = fresh.firstElementChild;
  if (!section) pane.replaceChildren(next);
  else {
    for (const { name, value } of next.attributes) section.setAttribute(name, value);
    section.replaceChildren(...next.childNodes);
  }
};
const clean = (card) => { const copy = card.cloneNode(true); copy.classList.remove("on"); return copy.outerHTML; };

const tell = (entries) => {
  about.hidden = !entries.length;
  about.querySelector("dl").replaceChildren(...entries.flatMap(([label, value]) => {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = label;
    text.textContent = value;
    return [term, text];
  }));
};

image.addEventListener("load", () => {
  columns.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
  if (now) root.dataset.state = "shown";
  find(".ar-zoom").hidden = !now;
  unseen.hidden = true;
});
image.addEventListener("error", () => {
  if (!now || !image.getAttribute("src")) return;
  root.dataset.state = "unseen";
  unseen.hidden = false;
});

// ---- What a visitor does

field.addEventListener("change", () => { take([...field.files]); field.value = ""; });
another.addEventListener("click", () => field.click());
const afresh = () => { for (const item of items.length > 1 ? [now] : items) item.state = "new"; run(); };
again.addEventListener("click", afresh);
answer.addEventListener("click", (event) => { if (event.target.closest("[data-again]")) afresh(); });
cancel.addEventListener("click", () => work?.abort());
for (const kind of ["dragenter", "dragover"]) {
  root.addEventListener(kind, (event) => { event.preventDefault(); stage.classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) root.addEventListener(kind, () => stage.classList.remove("over"));
root.addEventListener("drop", (event) => {
  event.preventDefault();
  const dropped = [...event.dataTransfer.files];
  if (dropped.length) take(dropped);
  else message.textContent = "Only picture files can be dropped here; save the picture first, then drop the file.";
});
document.addEventListener("paste", (event) => {
  const pasted = [...(event.clipboardData?.files || [])].filter((one) => one.type.startsWith("image/"));
  if (pasted.length) { event.preventDefault(); take(pasted); }
});
for (const button of document.querySelectorAll("[data-scene]")) {
  button.addEventListener("click", async () => {
    const scene = await (await fetch(button.querySelector("img").src)).blob();
    take([new File([scene], button.dataset.scene, { type: scene.type })]);
  });
}
find("[data-login]")?.addEventListener("click", (event) => {
  if (parent === window) return;  // a frame may not leave for Hugging Face's own pages
  event.preventDefault();
  open(event.target.href, "_blank");
});

const spoken = (navigator.language || "en").slice(0, 2).toLowerCase();
const offer = () => {
  if (!language) return;
  const hidden = language.hidden;
  language.hidden = spoken === "en" || find("[name=way]:checked")?.dataset.speaks !== "yes";
  if (hidden && !language.hidden) language.querySelector("input").checked = true;
  language.querySelector("b").textContent = new Intl.DisplayNames([spoken], { type: "language" }).of(spoken);
  language.querySelector("b").lang = spoken;
};
for (const way of document.querySelectorAll("[name=way]")) way.addEventListener("change", offer);
offer();

shown.draw([{ boxes: JSON.parse(find("#example").textContent) }]);
root.dataset.ready = "yes";
