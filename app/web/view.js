// One picture with what was found in it: heat, explanation, boxes and the place that was picked.

import { trackColour } from "./colours.js";
import { heatOn } from "./heat.js";
import { borderOf, within } from "./result.js";

const DIM = "#d0d4dc";

export class View {
  /** `stage` holds the canvases; `picture`, if there is one, is painted from the clip for a second view. */
  constructor(stage) {
    this.stage = stage;
    this.canvases = [...stage.querySelectorAll("canvas")];
    const [marks, heat, picture] = this.canvases.toReversed();
    this.heat = heatOn(heat);
    heat.addEventListener("webglcontextlost", (event) => event.preventDefault()); // asks for it back
    heat.addEventListener("webglcontextrestored", () => { this.heat = heatOn(heat); });
    this.marks = marks.getContext("2d");
    this.picture = picture?.getContext("2d");
  }

  /** Give the canvases the proportions of the picture, and the screen's pixels; heat has half of them on each side,
   * which is quicker by far where there is no graphics card. */
  layOut(width, height) {
    const { clientWidth, clientHeight } = this.stage;
    const scale = Math.min(clientWidth / width, clientHeight / height);
    [this.width, this.height] = [width * scale, height * scale];
    this.ratio = window.devicePixelRatio;
    for (const canvas of this.canvases) {
      const ratio = this.ratio / (canvas === this.heat.canvas ? 2 : 1);
      const [w, h] = [this.width, this.height].map((side) => Math.round(side * ratio));
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    }
  }

  /** Place of a pointer as fractions of the picture, which lies in the middle of its stage; null beside it. */
  placeOf({ clientX, clientY }) {
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    const x = 0.5 + (clientX - left - width / 2) / this.width;
    const y = 0.5 + (clientY - top - height / 2) / this.height;
    return x >= 0 && x <= 1 && y >= 0 && y <= 1 ? { x, y } : null;
  }

  /** Draw a moment. `look`: layers, map, opacity, threshold, only, picked; `clip` is what the picture is painted from. */
  draw(time, look, clip = null) {
    if (!this.width) return;
    if (clip) this.picture.drawImage(clip, 0, 0, this.picture.canvas.width, this.picture.canvas.height);
    this.heat.clear();
    this.marks.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.marks.clearRect(0, 0, this.width, this.height);
    const { result } = this;
    if (!result?.head) return;
    const { heatmap: contour, sounding } = result.head.thresholds;
    const found = shownDetections(result, time, look.only);
    const heat = look.heat && shownHeat(result, time, look.only, found);
    if (heat) this.heat.draw(heat, look);
    if (heat && look.contour) this.drawBorder(borderOf(heat, contour));
    const where = look.why && result.whereAt(time);
    if (where) this.heat.draw(where, { map: "blue", opacity: 0.8, threshold: 0 });
    const sounds = (each) => each.sounding >= sounding;
    found.sort((a, b) => sounds(a) - sounds(b) || a.score - b.score); // what sounds lies on top
    if (look.boxes) found.forEach((each) => this.drawBox(each, sounds(each)));
    const { picked } = look;
    if (picked) this.outline(2.5, "#fff", (path) => path.arc(picked.x * this.width, picked.y * this.height, 8, 0, 7));
  }

  drawBorder(points) {
    this.outline(2, "#fff", (path) => points.forEach(
      ({ x, y }, index) => path[index % 2 ? "lineTo" : "moveTo"](x * this.width, y * this.height)));
  }

  drawBox(each, sounding) {
    const { marks, width, height } = this;
    const [x0, y0, x1, y1] = each.box.map((value, side) => value * (side % 2 ? height : width));
    const colour = sounding ? trackColour(each.track_id) : DIM;
    this.outline(sounding ? 2.5 : 1, colour, (path) => path.rect(x0, y0, x1 - x0, y1 - y0));
    const text = sounding ? `♪ ${this.result.nameOf(each)}` : each.label;
    marks.font = `${sounding ? 600 : 400} 13px system-ui, sans-serif`;
    const wide = Math.min(marks.measureText(text).width, width - 14) + 12;
    const left = Math.min(Math.max(x0 - 1, 0), width - wide);
    const top = y0 >= 22 ? y0 - 22 : y0 + 1;
    marks.fillStyle = sounding ? colour : "rgb(16 18 23 / 0.78)";
    marks.fillRect(left, top, wide, 21);
    marks.fillStyle = sounding ? "#0b0d11" : "#eef0f4";
    marks.textBaseline = "middle";
    marks.fillText(text, left + 6, top + 11, width - 14);
  }

  /** A line with a dark edge, so that it can be seen on any picture. */
  outline(wide, colour, draw) {
    const { marks } = this;
    marks.beginPath();
    draw(marks);
    for (const [line, stroke] of [[wide + 2.5, "rgb(0 0 0 / 0.55)"], [wide, colour]]) {
      marks.lineWidth = line;
      marks.strokeStyle = stroke;
      marks.stroke();
    }
  }
}

/** `only`: null, { track } or { name }: a single source is wanted. */
function shownDetections(result, time, only) {
  const found = result.detectionsAt(time);
  if (!only) return found;
  return found.filter(({ track_id: id }) => (only.track ? id === only.track : result.tracks.get(id)?.sound?.label === only.name));
}

function shownHeat(result, time, only, found) {
  const heat = result.heatAt(time);
  if (!heat || !only) return heat;
  if (only.track) return found.length ? within(heat, found[0].box) : null;
  return result.nearest(time).heard.some(({ label }) => label === only.name) ? heat : null;
}
