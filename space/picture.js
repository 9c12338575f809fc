// Takes a picture by drop, paste, choice or from the gallery, shows it, sends it, and draws the boxes that come back.
// The file stays in this page: looking again sends it again, so that the server need not keep it.
const find = (selector) => element.querySelector(selector);
const root = find(".ar-picture"), stage = find(".ar-stage"), frame = find(".ar-frame"), image = find(".ar-frame img");
const field = find("input[type=file]"), boxes = find(".ar-boxes"), message = find(".ar-message");
const again = find("[data-do=again]"), cancel = find("[data-do=cancel]"), another = find("[data-do=another]");
const thorough = find("[data-do=thorough]");
const LIMIT = Number(root.dataset.limit);
let file = null, address = null, run = 0;

const say = (text) => { message.textContent = text; };
const busy = (is) => {
  root.dataset.busy = is ? "yes" : "no";
  const focused = document.activeElement;
  cancel.hidden = !is;
  again.hidden = is || !file;
  another.hidden = is || !file;
  if (is && (focused === again || focused === another)) cancel.focus();
  if (!is && focused === cancel && file) again.focus();
};
const draw = (placed) => {
  boxes.replaceChildren(...(placed || []).map((box) => {
    const span = document.createElement("span"), number = document.createElement("b");
    const [left, top, width, height] = box.place.map(Number);
    span.className = "ar-box";
    Object.assign(span.style, { left: left + "%", top: top + "%", width: width + "%", height: height + "%" });
    if (/^#[0-9a-f]{6}$/.test(box.colour)) span.style.setProperty("--box", box.colour);
    number.textContent = Number(box.number);
    span.append(number);
    return span;
  }));
};
const show = (source) => {
  stage.dataset.state = "shown";
  image.src = source;
};
image.addEventListener("load", () => {
  frame.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
  stage.dataset.state = "shown";
});
image.addEventListener("error", () => { if (file) stage.dataset.state = "unseen"; });

const take = (picture) => {
  if (!picture) return;
  if (picture.size > LIMIT) {
    say(`This file is larger than ${LIMIT / 2 ** 20} MB; please choose a smaller one.`);
    return;
  }
  file = picture;
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(file);
  image.alt = "The picture " + file.name;
  show(address);
  start();
};
const start = async () => {
  if (!file || root.dataset.busy === "yes") return;
  const mine = ++run;
  busy(true);
  draw([]);
  say("");
  try {
    const sent = await upload(file);
    if (mine !== run) return;
    if (!sent || !sent.path) throw new Error("not taken");
    trigger("examine", { path: sent.path, name: file.name, thorough: Boolean(thorough && thorough.checked) });
  } catch (error) {
    if (mine !== run) return;
    busy(false);
    say("The picture could not be sent. Check the connection, or choose a smaller one, and try again.");
  }
};
const stop = () => {
  run += 1;
  busy(false);
  say("");
  trigger("cancel", {});
};

field.addEventListener("change", () => { take(field.files[0]); field.value = ""; });
another.addEventListener("click", () => field.click());
again.addEventListener("click", start);
cancel.addEventListener("click", stop);
for (const kind of ["dragenter", "dragover"]) {
  stage.addEventListener(kind, (event) => { event.preventDefault(); stage.classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) stage.addEventListener(kind, () => stage.classList.remove("over"));
stage.addEventListener("drop", (event) => {
  event.preventDefault();
  if (root.dataset.busy === "yes") return;
  const dropped = event.dataTransfer.files[0];
  if (dropped) take(dropped); else say("Only picture files can be dropped here; save the picture first, then drop the file.");
});
document.addEventListener("paste", (event) => {
  if (element.offsetParent === null || root.dataset.busy === "yes") return;
  const pasted = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
  if (pasted) { event.preventDefault(); take(pasted); }
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-again]");
  if (button && button.dataset.again === root.dataset.owner) start();
});
for (const button of element.querySelectorAll("[data-scene]")) {
  button.addEventListener("click", async () => {
    if (root.dataset.busy === "yes") return;
    const scene = await (await fetch(button.querySelector("img").src)).blob();
    take(new File([scene], button.dataset.scene, { type: scene.type }));
    if (window.matchMedia("(max-width: 56rem)").matches) stage.scrollIntoView({ block: "start", behavior: "smooth" });
  });
}
watch("boxes", () => draw(props.boxes));
watch("preview", () => { if (props.preview && stage.dataset.state === "unseen") show(props.preview); });
watch("state", () => {
  if (props.state === "refused") {  // no picture after all: back to the beginning
    file = null;
    stage.dataset.state = "empty";
  }
  if (["ended", "refused"].includes(props.state)) busy(false);
});
root.dataset.ready = "yes";
