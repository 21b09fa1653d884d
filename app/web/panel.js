// What stands beside and below the picture: sources, why, files.

import { ask, keyOf, shownBytes } from "./api.js";
import { trackColour } from "./colours.js";
import { element, ui } from "./ui.js";
import { shortName, whyText } from "./words.js";

const TITLES = {
  "result.json": "All numbers (JSON)", "result.ndjson": "Line by line (NDJSON)", "heatmaps.npz": "Exact maps (NumPy)",
  "detections.coco.json": "Boxes (COCO)", "sounds.vtt": "Subtitles (WebVTT)", "overlay.mp4": "Overlay video (MP4)",
};

/** Objects and sounds as buttons, `only` pressed; `choose(only)` is called with the next one. */
export function showSources(result, only, choose) {
  const names = result.topNames.map((name) => ({ only: { name }, text: shortName(name) }));
  const chips = [...objectsOf(result), ...names];
  const state = JSON.stringify(chips);
  if (state !== ui.sources.dataset.state) {
    const held = document.activeElement.dataset.only;
    ui.sources.dataset.state = state;
    ui.sources.replaceChildren(...chips.map((chip) => chipOf(chip, choose)));
    [...ui.sources.children].find((each) => each.dataset.only === held)?.focus();
  }
  for (const chip of ui.sources.children) chip.ariaPressed = chip.dataset.only === JSON.stringify(only);
}

function chipOf({ only, text, colour }, choose) {
  const chip = element("button", "", { onclick: () => choose(only) });
  chip.dataset.only = JSON.stringify(only);
  const swatch = element("i", "", { className: colour ? "" : "sound" });
  if (colour) swatch.style.background = colour;
  chip.append(swatch, text);
  return chip;
}

/** The objects that sound at some time. */
function objectsOf(result) {
  const sounding = result.frames.flatMap(({ detections }) => detections).filter(
    (each) => each.sounding >= result.head.thresholds.sounding);
  return [...new Map(sounding.map((each) => [each.track_id, each]))].sort((a, b) => a[0] - b[0]).map(
    ([track, each]) => ({ only: { track }, text: result.nameOf(each), colour: trackColour(track) }));
}

export function showWhy({ explanations }, seek) {
  ui.why.hidden = !explanations.length;
  if (ui.whyList.childElementCount === explanations.length) return;
  ui.whyList.replaceChildren(...explanations.map((why) => {
    const { text, most } = whyText(why);
    const paragraph = element("p", `${text} `);
    if (most !== null) {
      paragraph.append(element("button", "Go to that moment", { className: "link", onclick: () => seek(most) }));
    }
    return paragraph;
  }));
}

export function showFiles(documents, report) {
  ui.files.replaceChildren(...documents.flatMap(({ links, artifacts }) => {
    const all = { name: "earsight.zip", title: "All of these (ZIP)", href: `${links.result}?format=zip` };
    return (artifacts.length > 1 ? [...artifacts, all] : artifacts).map((each) => fileRow(each, report));
  }));
}

function fileRow({ name, title = TITLES[name] ?? name, href, bytes }, report) {
  const link = element("a", title, { href, download: name });
  if (bytes) link.append(element("span", shownBytes(bytes), { className: "small" }));
  link.onclick = async (event) => {
    if (!keyOf()) return; // the browser fetches it itself
    event.preventDefault();
    try {
      const url = URL.createObjectURL(await (await ask(href)).blob());
      element("a", "", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      report(error);
    }
  };
  const row = element("li", "");
  row.append(link);
  return row;
}
