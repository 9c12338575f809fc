// Shows where: boxes with their numbers next to them, one in the light and the rest in the dark, close views in the cards, zoom.

/** What is drawn on the picture in `root`, and its cards in `answer`. */
export const evidence = (root, answer) => {
  const stage = root.querySelector(".ar-stage"), frame = root.querySelector(".ar-frame"), image = frame.querySelector("img");
  const layer = root.querySelector(".ar-boxes"), zoom = root.querySelector(".ar-zoom");
  let boxes = [], view = { scale: 1, x: 0, y: 0 };

  const cards = () => [...answer.querySelectorAll(".ar-card[data-number]")];
  const numbered = (box, name) => {
    const element = document.createElement("span");
    element.className = name;
    element.dataset.number = box.pane + ":" + Number(box.number);
    if (/^#[0-9a-f]{6}$/.test(box.colour)) element.style.setProperty("--box", box.colour);
    return element;
  };

  // A number lies outside its box, where no other number lies; only without such a place is it put inside.
  const place = () => {
    const wide = layer.clientWidth, high = layer.clientHeight, taken = [];
    for (const box of boxes) {
      const [left, top, width, height] = box.place;
      const b = { x: left * wide / 100, y: top * high / 100, w: width * wide / 100, h: height * high / 100 };
      const w = (box.label.offsetWidth + 2) / view.scale, h = (box.label.offsetHeight + 2) / view.scale;
      const spots = [
        [b.x, b.y - h], [b.x + b.w - w, b.y - h], [b.x, b.y + b.h + 2], [b.x + b.w - w, b.y + b.h + 2],
        [b.x - w - 2, b.y], [b.x + b.w + 2, b.y], [b.x - w - 2, b.y + b.h - h], [b.x + b.w + 2, b.y + b.h - h],
        [b.x + b.w / 2 - w / 2, b.y - h], [b.x + b.w / 2 - w / 2, b.y + b.h + 2], [b.x + 2, b.y + 2],
      ];
      const free = ([x, y]) => x >= 0 && y >= 0 && x + w <= wide && y + h <= high &&
        !taken.some((t) => x < t.x + t.w && t.x < x + w && y < t.y + t.h && t.y < y + h);
      const [x, y] = spots.find(free) || spots.at(-1);
      taken.push({ x, y, w, h });
      Object.assign(box.label.style, { left: `${Math.max(0, x)}px`, top: `${Math.max(0, y)}px` });
    }
  };

  const draw = (panes) => {
    boxes = panes.flatMap((pane, at) => pane.boxes.map((box) => ({ ...box, place: box.place.map(Number), pane: at })));
    layer.dataset.many = boxes.length > 12 ? "yes" : "no";
    layer.dataset.one = "no";
    for (const box of boxes) {
      const [left, top, width, height] = box.place;
      box.frame = numbered(box, "ar-box");
      Object.assign(box.frame.style, { left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%` });
      box.label = numbered(box, "ar-label");
      box.label.textContent = Number(box.number);
    }
    layer.replaceChildren(...boxes.map((box) => box.frame), ...boxes.map((box) => box.label));
    place();
    crop();
  };

  // The place of each finding, with some of what is around it, in its card.
  const crop = () => {
    if (!image.naturalWidth) return;
    for (const box of boxes) {
      const pane = answer.querySelectorAll(".ar-pane")[box.pane];
      const canvas = pane?.querySelector(`.ar-card[data-number="${Number(box.number)}"] .ar-crop`);
      if (!canvas) continue;
      const [left, top, width, height] = box.place.map((part, at) => part / 100 * (at % 2 ? image.naturalHeight : image.naturalWidth));
      const ratio = canvas.width / canvas.height, least = Math.max(width, height * ratio, 24);
      // With a margin as far as the picture has one: nothing but picture is shown, unless the box has quite another shape.
      const wide = Math.max(least, Math.min(1.3 * least, image.naturalWidth, image.naturalHeight * ratio)), high = wide / ratio;
      const within = (start, size, whole) => (size > whole ? (whole - size) / 2 : Math.min(Math.max(start, 0), whole - size));
      const x = within(left + width / 2 - wide / 2, wide, image.naturalWidth);
      const y = within(top + height / 2 - high / 2, high, image.naturalHeight);
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(image, x, y, wide, high, 0, 0, canvas.width, canvas.height);
    }
  };

  const paneOf = (card) => [...answer.querySelectorAll(".ar-pane")].indexOf(card.closest(".ar-pane"));
  const light = (card) => {
    const key = card && `${paneOf(card)}:${card.dataset.number}`;
    const one = boxes.some((box) => box.frame.dataset.number === key);
    layer.dataset.one = one ? "yes" : "no";
    for (const box of boxes) {
      const on = box.frame.dataset.number === key;
      box.frame.classList.toggle("on", on);
      box.label.classList.toggle("on", on);
    }
    for (const other of cards()) other.classList.toggle("on", other === card && one);
  };
  const near = (event) => event.target.closest?.(".ar-card[data-number]");
  answer.addEventListener("pointerover", (event) => light(near(event) || near({ target: document.activeElement })));
  answer.addEventListener("pointerleave", () => light(near({ target: document.activeElement })));
  answer.addEventListener("focusin", (event) => light(near(event)));
  answer.addEventListener("focusout", () => light(null));

  const step = (by) => {
    const all = cards().filter((card) => card.tabIndex === 0);
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input:not([type=radio], [type=checkbox]), textarea")) return;
    if (event.key === "j") step(1);
    if (event.key === "k") step(-1);
  });

  const look = (scale, x = 0, y = 0) => {
    const least = (size) => Math.min(0, size - size * scale);
    view = { scale, x: Math.min(0, Math.max(x, least(frame.clientWidth))), y: Math.min(0, Math.max(y, least(frame.clientHeight))) };
    frame.style.transform = scale === 1 ? "" : `translate(${view.x}px, ${view.y}px) scale(${scale})`;
    frame.style.setProperty("--zoom", scale);  // numbers and lines stay as they are
    stage.dataset.zoomed = scale === 1 ? "no" : "yes";
    place();
  };
  const nearer = (by, x = frame.clientWidth / 2, y = frame.clientHeight / 2) => {
    const scale = Math.min(8, Math.max(1, view.scale * by)), change = scale / view.scale;
    look(scale, x - (x - view.x) * change, y - (y - view.y) * change);
  };
  zoom.addEventListener("click", ({ target }) => {
    const way = target.dataset.zoom;
    if (way) way === "all" ? look(1) : nearer(way === "in" ? 1.5 : 1 / 1.5);
  });
  zoom.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way || view.scale === 1) return;
    event.preventDefault();
    look(view.scale, view.x + 40 * way[0], view.y + 40 * way[1]);
  });
  const within = (event) => {
    const at = stage.getBoundingClientRect();
    return [event.clientX - at.x - frame.offsetLeft, event.clientY - at.y - frame.offsetTop];
  };
  stage.addEventListener("wheel", (event) => {
    if (zoom.hidden || !(event.ctrlKey || view.scale > 1)) return;  // the wheel alone scrolls the page
    event.preventDefault();
    nearer(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...within(event));
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => { if (!zoom.hidden) view.scale > 1 ? look(1) : nearer(2, ...within(event)); });
  const fingers = new Map();
  let apart = 0;
  stage.addEventListener("pointerdown", (event) => { if (!zoom.hidden) fingers.set(event.pointerId, event); });
  addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 1 && view.scale > 1) {
      look(view.scale, view.x + event.clientX - before.clientX, view.y + event.clientY - before.clientY);
    } else if (fingers.size === 2) {
      const [a, b] = fingers.values(), now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (apart) nearer(now / apart, ...within({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }));
      apart = now;
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, (event) => { fingers.delete(event.pointerId); apart = 0; });
  }

  new ResizeObserver(place).observe(layer);
  image.addEventListener("load", () => { look(1); place(); crop(); });
  return { draw, forget: () => { look(1); draw([]); } };
};
