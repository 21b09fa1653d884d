// What is on the screen: the clip, what was found in it at this moment, and how both are to be looked at.

import { Lane } from "./lane.js";
import { showFiles, showSources, showWhy } from "./panel.js";
import { Player } from "./player.js";
import { Result, valueAt } from "./result.js";
import { ui } from "./ui.js";
import { View } from "./view.js";
import { peaksOf } from "./wave.js";
import { percent, shortName, shownTime } from "./words.js";

const HINT = "Click the picture to see how that place sounds over time; click a name to see only that source.";
const UNPLAYABLE = "This browser cannot show the pictures of this clip. Make the overlay video to see them.";

/** The jobs whose results are shown: `first`, `second` beside it, and `overlay`, which made the video only. */
export const jobs = {};
const look = { only: null, picked: null }; // and what the controls say, by their names
let growing = null;
let burnt = false; // the overlay video is played, which has everything on it

const player = new Player(ui.video, tick);
const seek = (time) => player.seek(time);
const views = [new View(ui.stage), new View(ui.stageTwo)];
const lane = new Lane({ now: () => player.time, seek, only: (name) => choose({ name }) });

function readLook() {
  for (const { name, type, checked, value } of ui.look.elements) {
    if (name) look[name] = { checkbox: checked, range: Number(value) }[type] ?? value;
  }
  player.refresh();
}

function tick(time) {
  views[0].draw(time, look);
  if (jobs.second) views[1].draw(time, look, ui.still.naturalWidth ? ui.still : ui.video);
  lane.show(time);
  ui.clock.textContent = shownTime(time);
  ui.play.ariaLabel = player.playing ? "Pause" : "Play";
  const frame = jobs.first?.result.nearest(time);
  ui.now.textContent = frame ? nowText(frame) : "";
}

function nowText(frame) {
  if (look.picked) return `This place sounds with a probability of ${percent(valueAt(frame, look.picked))}`;
  if (!frame.heard.length) return "Silence";
  const names = frame.heard.slice(0, 3).map(({ label }) => shortName(label));
  return [`Source in view: ${percent(frame.presence)}`, ...names].join(" · ");
}

/** Show as much of the results as there is. */
export function grown() {
  const result = jobs.first?.result ?? new Result();
  lane.result = result;
  views[0].result = burnt ? null : result;
  views[1].result = lane.second = jobs.second?.result ?? null;
  player.length = lane.duration = result.duration;
  showSources(result, look.only, choose);
  showWhy(result, seek);
  layOut();
  lane.draw();
}

/** The same for lines that pour in, ten times a second at most. */
export function grownSoon() {
  growing ??= setTimeout(() => {
    growing = null;
    grown();
  }, 100);
}

/** Nothing is known any more. */
export function forget() {
  jobs.first = jobs.second = jobs.overlay = look.only = null;
  showFiles([]);
  pick(null);
  grown();
}

function layOut() {
  const source = jobs.first?.result.head?.source;
  const width = ui.video.videoWidth || ui.still.naturalWidth || source?.width || 16;
  const height = ui.video.videoHeight || ui.still.naturalHeight || source?.height || 9;
  for (const view of views) {
    view.stage.style.setProperty("--ratio", width / height);
    view.layOut(width, height);
  }
  player.refresh();
}

/** Show a single source: { track } or { name }; the same once more ends that. */
function choose(only) {
  look.only = JSON.stringify(only) === JSON.stringify(look.only) ? null : only;
  showSources(jobs.first.result, look.only, choose);
  player.refresh();
}

/** Show the curve of one place instead of the whole picture's; null ends that. */
function pick(place) {
  look.picked = lane.picked = place;
  ui.unpick.hidden = !place;
  ui.hint.textContent = place
    ? `The curve is that of the place at ${percent(place.x)} from the left and ${percent(place.y)} from the top.` : HINT;
  lane.draw();
  player.refresh();
}

/** Play and show a clip; null where only its result is known. */
export function present(clip) {
  burnt = false;
  lane.peaks = null;
  for (const shown of [ui.video, ui.still]) if (shown.src) URL.revokeObjectURL(shown.src);
  ui.still.hidden = !clip?.picture;
  ui.still.removeAttribute("src");
  if (clip?.picture) ui.still.src = URL.createObjectURL(clip.file);
  const sound = clip?.picture ? clip.audio : clip?.file;
  player.load(sound ? URL.createObjectURL(sound) : null);
  showMissing(clip ? "" : "The server does not keep clips. Choose the clip to see it under the heat.", !clip);
  showWave(clip?.audio ?? sound);
}

async function showWave(sound) {
  lane.sound = sound;
  const peaks = sound && await peaksOf(sound, () => player.duration);
  if (lane.sound !== sound) return; // another clip came meanwhile
  lane.peaks = peaks;
  lane.draw();
}

function showMissing(text, canAttach = false) {
  ui.missing.hidden = !text;
  ui.missingText.textContent = text;
  ui.attach.hidden = !canAttach;
}

/** Play the overlay video, given as a blob, in place of the clip. */
export function playOverlay(blob) {
  burnt = true;
  grown();
  showMissing("");
  player.load(URL.createObjectURL(blob));
}

export function wireScreen() {
  ui.look.oninput = readLook;
  readLook();
  ui.play.onclick = () => player.toggle();
  ui.mute.onclick = () => { ui.mute.ariaPressed = ui.video.muted = !ui.video.muted; };
  ui.full.onclick = () => (document.fullscreenElement ? document.exitFullscreen() : ui.stage.requestFullscreen());
  ui.peak.onclick = () => {
    const frame = jobs.first?.result.nearest(player.time);
    if (frame) pick(frame.peak);
  };
  ui.unpick.onclick = () => pick(null);
  for (const view of views) {
    view.stage.onclick = (event) => {
      const place = jobs.first?.result.frames.length && !event.target.closest(".missing") && view.placeOf(event);
      if (place) pick(place);
    };
    new ResizeObserver(layOut).observe(view.stage);
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || ui.work.hidden || event.target.closest("input, select, button, a, summary, dialog")) return;
    event.preventDefault();
    player.toggle();
  });
  ui.video.addEventListener("resize", layOut);
  ui.video.addEventListener("loadedmetadata", () => {
    if (!ui.video.videoWidth && ui.still.hidden) showMissing(UNPLAYABLE); // but its sound
  });
  ui.video.addEventListener("error", () => {
    if (player.free) return;
    player.load(null);
    showMissing(UNPLAYABLE);
  });
  ui.still.onload = layOut;
}
