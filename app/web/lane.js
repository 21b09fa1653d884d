// What is heard over time, with a line at the present moment: it scrubs by pointer and by keys.

import { element, ui } from "./ui.js";
import { shortName, shownTime } from "./words.js";

const [AXIS, GAP] = [20, 6]; // their heights
const TICKS_S = [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800];

export class Lane {
  /** `now()` is the clip's time, `seek(time)` moves it, `only(name)` chooses a name. What is shown is set from
   * outside: `result`, `second` beside it, `peaks` of the sound, the place that was `picked`. */
  constructor({ now, seek, only }) {
    this.context = ui.lane.getContext("2d");
    Object.assign(this, { now, seek, only, duration: 0 });
    ui.track.onpointerdown = (event) => this.grab(event);
    ui.track.onkeydown = (event) => this.press(event);
    new ResizeObserver(() => this.draw()).observe(ui.track);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  grab(event) {
    const follow = ({ clientX }) => {
      const { left, width } = ui.track.getBoundingClientRect();
      this.seek(((clientX - left) / width) * this.duration);
    };
    follow(event);
    ui.track.setPointerCapture(event.pointerId);
    ui.track.onpointermove = follow;
    ui.track.onlostpointercapture = () => { ui.track.onpointermove = null; };
  }

  press(event) {
    const { duration, result } = this;
    const step = event.shiftKey ? 5 : 1 / (result?.head?.sampling.fps || 4);
    const moves = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, Home: -duration, End: duration,
      PageDown: -duration / 10, PageUp: duration / 10 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.seek(this.now() + moves[event.key]);
  }

  show(time) {
    const { duration } = this;
    ui.track.ariaValueMax = duration.toFixed(2);
    ui.track.ariaValueNow = time.toFixed(2);
    ui.track.ariaValueText = `${shownTime(time)} of ${shownTime(duration)}`;
    ui.playhead.hidden = !duration;
    ui.playhead.style.left = `${(100 * time) / duration}%`;
  }

  planRows() {
    const { result } = this;
    const rows = [
      this.peaks && { label: "Sound", height: 46, draw: this.drawWave },
      { label: this.picked ? "This place" : "Source in view", height: 58, draw: this.drawCurves },
      ...(result?.topNames ?? []).map((label) => ({ label, height: 20, draw: this.drawName, isName: true })),
      result?.explanations.length && { label: "Why", height: 40, draw: this.drawWhy },
      { label: "", height: AXIS, draw: this.drawAxis },
    ].filter(Boolean);
    this.height = 0;
    for (const row of rows) {
      row.top = this.height;
      this.height += row.height + (row.isName ? 2 : GAP);
    }
    const state = rows.map(({ label }) => label).join();
    if (state !== this.state) ui.labels.replaceChildren(...rows.map((row) => this.labelOf(row)));
    this.state = state;
    return rows;
  }

  /** What stands beside a row; names of sounds are buttons. */
  labelOf({ isName, label, top, height }) {
    const cell = element(isName ? "button" : "span", shortName(label));
    if (isName) Object.assign(cell, { title: `Show only ${label}`, onclick: () => this.only(label) });
    Object.assign(cell.style, { top: `${top}px`, height: `${height}px` });
    return cell;
  }

  draw() {
    this.show(this.now());
    const { context } = this;
    const rows = this.planRows();
    const style = getComputedStyle(ui.lane);
    this.colours = Object.fromEntries(["sound", "source", "second", "rule", "muted", "ink", "soft"].map(
      (name) => [name, style.getPropertyValue(`--${name}`)]));
    ui.lane.style.height = `${this.height}px`;
    this.width = ui.track.clientWidth;
    const ratio = window.devicePixelRatio;
    [ui.lane.width, ui.lane.height] = [this.width * ratio, this.height * ratio];
    context.scale(ratio, ratio);
    if (!this.duration) return;
    for (const row of rows) {
      if (row.label) this.fill("soft", 0, row.top, this.width, row.height);
      row.draw.call(this, row);
    }
    const known = this.xOf(this.result?.reach ?? 0); // the rest lies behind a veil
    context.globalAlpha = 0.7;
    this.fill("rule", known, 0, this.width - known, this.height - AXIS - GAP);
    context.globalAlpha = 1;
  }

  xOf(time) {
    return (time / this.duration) * this.width;
  }

  fill(colour, x, top, width, height) {
    this.context.fillStyle = this.colours[colour];
    this.context.fillRect(x, top, width, height);
  }

  drawWave({ top, height }) {
    const { peaks, width } = this;
    for (let x = 0; x < width; x += 1) {
      const [from, to] = [x, x + 1].map((at) => Math.floor((at / width) * peaks.length));
      const tall = Math.max(1, Math.max(...peaks.subarray(from, Math.max(to, from + 1))) * (height - 4));
      this.fill("muted", x, top + (height - tall) / 2, 1, tall);
    }
  }

  drawCurves(row) {
    const { context, result, second, picked } = this;
    if (!result?.frames.length) return;
    const curveOf = (each) => (picked ? each.curveAt(picked) : each.frames.map(({ presence }) => presence));
    this.line([0, this.duration], [0.5, 0.5], row, { colour: "muted", width: 0.5, dash: [3, 3] });
    this.line(result.times, curveOf(result), row, { colour: "source" });
    context.lineTo(this.xOf(result.times.at(-1)), row.top + row.height);
    context.lineTo(this.xOf(result.times[0]), row.top + row.height);
    context.globalAlpha = 0.22;
    context.fillStyle = this.colours.source;
    context.fill();
    context.globalAlpha = 1;
    if (second?.frames.length) this.line(second.times, curveOf(second), row, { colour: "second", dash: [5, 4] });
  }

  line(times, values, { top, height }, { colour, width = 2, dash = [] }) {
    const { context } = this;
    context.strokeStyle = this.colours[colour];
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    times.forEach((time, index) => context.lineTo(this.xOf(time), top + 3 + (1 - values[index]) * (height - 6)));
    context.stroke();
    context.setLineDash([]);
  }

  drawName({ label, top, height }) {
    const { context, result: { frames, times, reach } } = this;
    const edge = (index) => { // on whole pixels, or there are seams
      const last = index === frames.length;
      return Math.round(this.xOf(last ? reach : index && (times[index - 1] + times[index]) / 2));
    };
    frames.forEach(({ heard }, index) => {
      const score = heard.find((each) => each.label === label)?.score;
      if (!score) return;
      context.globalAlpha = 0.2 + 0.8 * score;
      this.fill("sound", edge(index), top + 3, Math.max(1, edge(index + 1) - edge(index)), height - 6);
    });
    context.globalAlpha = 1;
    if (!ui.labels.clientWidth) this.write(shortName(label), 4, top + height / 2);
  }

  /** The say of the sound as bars and that of the picture as a line, both by their highest in the stretch. */
  drawWhy(row) {
    const { context } = this;
    const { top, height } = row;
    for (const { when_audio, when_visual, time_s: times, start_s: start, end_s: end, event } of this.result.explanations) {
      const [audio, visual] = [when_audio, when_visual].map((weights) => {
        const most = Math.max(...weights, 1e-9);
        return weights.map((weight) => weight / most);
      });
      times.forEach((time, step) => {
        const tall = audio[step] * (height - 4);
        this.fill("sound", this.xOf(time) - 2, top + height - 2 - tall, 5, tall);
      });
      this.line(times, visual, row, { colour: "source", width: 1.5 });
      if (start > 0) this.fill("rule", this.xOf(start), top, 1, height);
      const room = this.xOf(end - start) - 8;
      if (room > 60) this.write(shortName(event.label), this.xOf(start) + 5, top + 9, room);
    }
  }

  drawAxis({ top }) {
    const { duration, width } = this;
    const step = TICKS_S.find((each) => this.xOf(each) > 56) ?? 3600;
    for (let time = 0; time <= duration; time += step) {
      const x = this.xOf(time);
      this.fill("rule", x, top - GAP, 1, 5);
      if (width - x > 34) this.write(shownTime(time, step < 1 ? 1 : 0), x + (time ? -12 : 0), top + 9, 60, "muted");
    }
  }

  write(text, x, y, room = this.width - x, colour = "ink") {
    const { context, colours } = this;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.strokeStyle = colours.soft; // a halo, for what lies on a bar
    context.lineWidth = 3;
    if (colour === "ink") context.strokeText(text, x, y, room);
    context.fillStyle = colours[colour];
    context.fillText(text, x, y, room);
  }
}
