// The picture: zoom, moving about, the boxes of candidates, and one box that is drawn, moved or resized. Boxes are
// [x0, y0, x1, y1] in pixels of the picture.
const stage = document.querySelector(".stage"), canvas = stage.querySelector(".canvas");
const img = canvas.querySelector("img"), marks = canvas.querySelector(".marks");
const LARGEST = 16, STEP = 1.5;

let zoom = 1, boxes = [], shown = true, picked = () => {};
let draft = null; // { box: [..] or null, changed: callback }

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const share = (value, of) => `${clamp((100 * value) / of, 0, 100)}%`;

function place(node, [x0, y0, x1, y1]) {
  node.style.left = share(x0, img.naturalWidth);
  node.style.top = share(y0, img.naturalHeight);
  node.style.right = share(img.naturalWidth - x1, img.naturalWidth);
  node.style.bottom = share(img.naturalHeight - y1, img.naturalHeight);
}

// Shows a picture; boxes and zoom of the one before are forgotten.
export async function showPicture(url) {
  marks.replaceChildren();
  img.src = url;
  await img.decode();
  zoom = 1;
  stage.style.setProperty("--ratio", img.naturalWidth / img.naturalHeight);
  lay();
}

export function setVisible(visible) { canvas.style.visibility = visible ? "visible" : "hidden"; }

// Boxes of candidates: { key, number, box, current }; `onPick` is told the key of one whose number is clicked.
export function setBoxes(list, onPick) {
  boxes = list;
  picked = onPick;
  draw();
}

export function toggleBoxes() {
  shown = !shown;
  draw();
  return shown;
}

// Begins to edit a box, or to draw one where there is none; `changed` is told of every change.
export function edit(box, changed) {
  draft = { box, changed };
  draw();
}

export function endEdit() {
  draft = null;
  draw();
}

export const draftBox = () => draft?.box ?? null;

// Puts a box into the middle of what is seen, where there is none yet, and makes it the keyboard's.
export function placeBox() {
  if (!draft) return;
  if (!draft.box) {
    const [a, b] = [point(0.35, 0.35), point(0.65, 0.65)];
    set([...a, ...b]);
  }
  marks.querySelector(".draft")?.focus();
}

export function removeBox() {
  if (draft) set(null);
}

function point(across, down) {
  const frame = stage.getBoundingClientRect();
  return toPicture(frame.left + across * stage.clientWidth, frame.top + down * stage.clientHeight);
}

function toPicture(x, y) {
  const frame = canvas.getBoundingClientRect();
  return [
    clamp(((x - frame.left) / frame.width) * img.naturalWidth, 0, img.naturalWidth),
    clamp(((y - frame.top) / frame.height) * img.naturalHeight, 0, img.naturalHeight),
  ];
}

function set(box) {
  draft.box = box && box.map((side) => Math.round(side * 10) / 10);
  draft.changed(draft.box);
  draw();
}

function draw() {
  stage.classList.toggle("drawing", !!draft && !draft.box);
  const nodes = [];
  for (const one of shown ? boxes : []) {
    if (!one.box || (draft && one.current)) continue;
    const node = document.createElement("div"), tag = document.createElement("span");
    node.className = `box${one.current ? " current" : ""}${one.box[1] < img.naturalHeight * 0.08 ? " low" : ""}`;
    tag.className = "tag";
    tag.textContent = one.number;
    tag.addEventListener("click", () => picked(one.key));
    node.append(tag);
    place(node, one.box);
    nodes.push(node);
  }
  if (draft?.box) nodes.push(draftNode());
  const focused = document.activeElement?.classList.contains("draft");
  marks.replaceChildren(...nodes);
  if (focused) marks.querySelector(".draft")?.focus();
}

function draftNode() {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "draft";
  node.setAttribute("aria-label", `Box from ${draft.box.slice(0, 2).map(Math.round)} to ${draft.box.slice(2).map(Math.round)}; ` +
    "arrow keys move it, with Shift they change its size");
  for (const corner of ["nw", "ne", "sw", "se"]) {
    const grip = document.createElement("span");
    grip.className = `grip ${corner}`;
    grip.dataset.corner = corner;
    node.append(grip);
  }
  place(node, draft.box);
  return node;
}

function moved([x0, y0, x1, y1], dx, dy) {
  dx = clamp(dx, -x0, img.naturalWidth - x1);
  dy = clamp(dy, -y0, img.naturalHeight - y1);
  return [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
}

const ordered = ([ax, ay], [bx, by]) => [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];

marks.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!way || !draft?.box) return;
  event.preventDefault();
  const [dx, dy] = event.altKey ? way : [way[0] * Math.max(1, img.naturalWidth / 100), way[1] * Math.max(1, img.naturalHeight / 100)];
  if (!event.shiftKey) return set(moved(draft.box, dx, dy));
  const [x0, y0, x1, y1] = draft.box;
  set([x0, y0, clamp(x1 + dx, x0 + 1, img.naturalWidth), clamp(y1 + dy, y0 + 1, img.naturalHeight)]);
});

stage.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || event.target.classList.contains("tag")) return;
  const start = toPicture(event.clientX, event.clientY), before = draft?.box;
  const corner = event.target.dataset?.corner;
  let move;
  if (corner) {
    const [x0, y0, x1, y1] = before;
    const fixed = [corner.includes("w") ? x1 : x0, corner.includes("n") ? y1 : y0];
    move = (to) => set(ordered(fixed, to));
  } else if (event.target.classList.contains("draft")) {
    move = (to) => set(moved(before, to[0] - start[0], to[1] - start[1]));
  } else if (draft && !before) {
    move = (to) => set(ordered(start, to));
  } else if (zoom > 1) {
    const [left, top] = [stage.scrollLeft + event.clientX, stage.scrollTop + event.clientY];
    move = (_, x, y) => stage.scrollTo(left - x, top - y);
  } else return;
  event.preventDefault();
  stage.setPointerCapture(event.pointerId);
  const follow = (one) => move(toPicture(one.clientX, one.clientY), one.clientX, one.clientY);
  const end = () => {
    stage.removeEventListener("pointermove", follow);
    const [x0, y0, x1, y1] = draft?.box ?? [0, 0, 9, 9];
    if (x1 - x0 < 1 || y1 - y0 < 1) set(null); // a click, which draws nothing
    else if (draft?.box) marks.querySelector(".draft")?.focus({ preventScroll: true });
  };
  stage.addEventListener("pointermove", follow);
  stage.addEventListener("pointerup", end, { once: true });
  stage.addEventListener("pointercancel", end, { once: true });
});

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  scaleTo(zoom * 2 ** clamp(-event.deltaY / 300, -1, 1), event.clientX, event.clientY);
}, { passive: false });

// Zooms; what is at this place of the window stays there, or, without a place, what the current box speaks of comes to the middle.
function scaleTo(wanted, x, y) {
  if (!img.naturalWidth) return;
  const at = x === undefined ? null : toPicture(x, y);
  zoom = clamp(wanted, 1, LARGEST);
  lay();
  const per = canvas.clientWidth / img.naturalWidth, frame = stage.getBoundingClientRect();
  const [x0, y0, x1, y1] = draft?.box ?? boxes.find((one) => one.current)?.box ?? [0, 0, img.naturalWidth, img.naturalHeight];
  const [px, py] = at ?? [(x0 + x1) / 2, (y0 + y1) / 2];
  const [wx, wy] = at ? [x - frame.left, y - frame.top] : [stage.clientWidth / 2, stage.clientHeight / 2];
  stage.scrollTo(canvas.offsetLeft + px * per - wx, canvas.offsetTop + py * per - wy);
}

export const zoomIn = () => scaleTo(zoom * STEP);
export const zoomOut = () => scaleTo(zoom / STEP);
export const fit = () => scaleTo(1);

function lay() {
  document.querySelector(".zoom").textContent = `${Math.round(zoom * 100)} %`;
  stage.classList.toggle("closer", zoom > 1);
  if (!img.naturalWidth) return;
  const scale = zoom * Math.min(stage.clientWidth / img.naturalWidth, stage.clientHeight / img.naturalHeight);
  canvas.style.width = `${Math.floor(img.naturalWidth * scale)}px`;
  canvas.style.height = `${Math.floor(img.naturalHeight * scale)}px`;
  img.classList.toggle("small", scale > 3);
}

new ResizeObserver(lay).observe(stage);
