// Several pictures: a contact sheet of what has become of each, and all answers as one file.

const said = (item) => {
  if (item.state === "new") return "waits";
  if (item.state === "looking") return "looking…";
  if (item.state !== "ended") return item.state;
  const counts = item.message.panes.map((one) => one.answer?.anomalies.length ?? 0), status = item.message.panes[0].answer?.status;
  if (["failed", "unknown"].includes(status)) return status === "unknown" ? "not known" : "no answer";
  return counts.map((count) => (count === 1 ? "1 thing" : `${count} things`)).join(" / ");
};

/** Draw the sheet; nothing for a single picture. */
export const drawSheet = (sheet, items, now, choose) => {
  sheet.hidden = items.length < 2;
  const key = JSON.stringify([items.map((item) => [item.address, said(item)]), items.indexOf(now)]);
  if (sheet.hidden || sheet.dataset.key === key) return;
  sheet.dataset.key = key;
  const focused = [...sheet.children].indexOf(document.activeElement);
  const buttons = items.map((item) => {
    const button = document.createElement("button"), picture = document.createElement("img"), text = document.createElement("span"), name = document.createElement("small");
    button.type = "button";
    button.setAttribute("aria-current", item === now);
    picture.alt = "";
    picture.src = item.message?.preview || item.address;
    text.textContent = said(item);
    name.textContent = button.title = item.file.name;
    button.append(picture, name, text);
    button.addEventListener("click", () => choose(item));
    return button;
  });
  const ended = items.filter((item) => item.state === "ended" && item.message.panes.some((one) => one.answer));
  if (ended.length) buttons.push(download(ended));
  sheet.replaceChildren(...buttons);
  sheet.children[focused]?.focus();
};

const download = (ended) => {
  const answers = ended.map((item) => (item.message.panes.length > 1 ? item.message.panes.map((one) => one.answer) : item.message.panes[0].answer));
  const link = document.createElement("a");
  link.className = "ar-button";
  link.textContent = `Download ${ended.length === 1 ? "the answer" : `all ${ended.length} answers`} (JSON)`;
  link.download = "anomreason.json";
  link.href = "data:application/json;charset=utf-8," + encodeURIComponent(JSON.stringify(answers, null, 2));
  return link;
};
