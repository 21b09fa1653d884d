// The result of a job as far as its lines have come, and what it says at any moment.

import { shortName } from "./words.js";

const NAMES = 5;

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

const clamped = (value, most) => Math.min(Math.max(value, 0), most);

const mixed = (a, b, share) => a + share * (b - a);

/** Index of the last of `times` that is not after `time`; -1 before the first. */
const indexBefore = (times, time) => times.findLastIndex((each) => each <= time);

function indexNear(times, time) {
  const index = Math.max(indexBefore(times, time), 0);
  return times[index + 1] - time < time - times[index] ? index + 1 : index;
}

export class Result {
  constructor() {
    this.head = null;
    this.times = [];
    this.frames = [];
    this.tracks = new Map(); // by their ids
    this.explanations = [];
    this.complete = false;
    this.names = new Map(); // of what is heard: the sum of its scores
  }

  /** Take one line of NDJSON, already parsed. */
  add(line) {
    if (line.kind === "explanation") this.addExplanation(line);
    else if (line.schema) this.addHead(line);
    else if (line.heatmap) this.addFrame(line);
  }

  addDocument({ frames, explanations, ...head }) {
    frames.forEach((frame) => this.addFrame(frame));
    explanations?.forEach((each) => this.addExplanation(each));
    this.addHead(head);
  }

  addHead(head) {
    this.head = head;
    this.complete = head.sampling.frames !== null;
    for (const track of head.tracks ?? []) {
      this.tracks.set(track.track_id, track);
      for (const seen of track.frames ?? []) { // with group_by=track the objects lie here
        this.frames[indexBefore(this.times, seen.time_s)]?.detections.push({ ...track, ...seen });
      }
    }
  }

  addFrame({ time_s: time, presence, heard, heatmap: { grid: [rows, columns], data, peak }, detections = [] }) {
    this.times.push(time);
    this.frames.push({ time, presence, heard, rows, columns, cells: bytesOf(data), peak, detections });
    for (const { label, score } of heard) this.names.set(label, (this.names.get(label) ?? 0) + score);
  }

  addExplanation({ where: { grid: [rows, columns], data }, ...rest }) {
    this.explanations.push({ ...rest, rows, columns, cells: bytesOf(data) });
  }

  get duration() {
    return this.head?.source.duration_s ?? 0;
  }

  /** How far all is known, in seconds. */
  get reach() {
    return this.complete ? this.duration : this.times.at(-1) ?? 0;
  }

  /** The samples around a moment and the share of the second; the ends hold. */
  around(time) {
    const index = indexBefore(this.times, time);
    const before = this.frames[Math.max(index, 0)];
    const after = this.frames[Math.min(index + 1, this.frames.length - 1)];
    const span = after.time - before.time;
    return [before, after, span > 0 ? Math.max(0, (time - before.time) / span) : 0];
  }

  nearest(time) {
    return this.frames[indexNear(this.times, time)];
  }

  /** The heatmap of a moment, linear in time; null without samples. */
  heatAt(time) {
    if (!this.frames.length) return null;
    const [{ rows, columns, cells }, after, share] = this.around(time);
    return { rows, columns, cells: cells.map((cell, at) => Math.round(mixed(cell, after.cells[at], share))) };
  }

  /** The objects of the nearest sample, moved towards where the other one has them. */
  detectionsAt(time) {
    if (!this.frames.length) return [];
    const [before, after, share] = this.around(time);
    const [here, there, part] = share <= 0.5 ? [before, after, share] : [after, before, 1 - share];
    return here.detections.map((each) => {
      const other = there.detections.find(({ track_id }) => track_id === each.track_id) ?? each;
      return { ...each, box: each.box.map((value, side) => mixed(value, other.box[side], part)) };
    });
  }

  /** Heat at a place in every sample. */
  curveAt(place) {
    return this.frames.map((frame) => valueAt(frame, place));
  }

  /** What is heard most. */
  get topNames() {
    return [...this.names].sort((a, b) => b[1] - a[1]).slice(0, NAMES).map(([name]) => name);
  }

  /** What an object is called, as in the overlay video: by its looks and, if that says more, by its sound. */
  nameOf({ track_id: id, label: seen }) {
    const { label = seen, sound } = this.tracks.get(id) ?? {};
    const heard = shortName(sound?.label ?? label);
    return heard.toLowerCase() === label.toLowerCase() ? label : `${label} · ${heard}`;
  }

  /** The grid of `where` at the nearest step, 255 being the highest of its stretch; null without one. */
  whereAt(time) {
    const why = this.explanations.find(({ start_s, end_s }) => start_s <= time && time <= end_s);
    if (!why?.time_s.length) return null;
    const { rows, columns, cells } = why;
    const from = indexNear(why.time_s, time) * rows * columns;
    return { rows, columns, cells: cells.subarray(from, from + rows * columns) };
  }
}

/** Value of a grid in [0, 1] at a place (fractions of the picture), bilinear between the middles of the cells. */
export function valueAt({ rows, columns, cells }, { x, y }) {
  const [across, down] = [clamped(x * columns - 0.5, columns - 1), clamped(y * rows - 0.5, rows - 1)];
  const [left, top] = [Math.floor(across), Math.floor(down)];
  const [right, bottom] = [Math.ceil(across), Math.ceil(down)];
  const inRow = (row) => mixed(cells[row * columns + left], cells[row * columns + right], across - left);
  return mixed(inRow(top), inRow(bottom), down - top) / 255;
}

/** Where a grid has a value in [0, 1], straight between the middles of its cells: lines from each point of even index
 * to the next (fractions of the picture). */
export function borderOf(grid, value) {
  const corner = (column, row) => {
    const place = { x: clamped((column + 0.5) / grid.columns, 1), y: clamped((row + 0.5) / grid.rows, 1) };
    return { ...place, over: valueAt(grid, place) - value };
  };
  const points = [];
  for (let row = 0; row <= grid.rows; row += 1) {
    for (let column = 0; column <= grid.columns; column += 1) {
      const corners = [corner(column, row), corner(column - 1, row), corner(column - 1, row - 1), corner(column, row - 1)];
      corners.forEach((from, side) => {
        const to = corners[(side + 1) % 4];
        const share = from.over / (from.over - to.over);
        if (from.over < 0 !== to.over < 0) points.push({ x: mixed(from.x, to.x, share), y: mixed(from.y, to.y, share) });
      });
    }
  }
  return points;
}

/** A grid in which only the cells inside a box (fractions of the picture) are kept. */
export function within({ rows, columns, cells }, [x0, y0, x1, y1]) {
  return { rows, columns, cells: cells.map((value, cell) => {
    const x = ((cell % columns) + 0.5) / columns;
    const y = (Math.floor(cell / columns) + 0.5) / rows;
    return x >= x0 && x <= x1 && y >= y0 && y <= y1 ? value : 0;
  }) };
}
