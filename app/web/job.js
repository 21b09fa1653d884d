// A job of the server: handed in, followed to its end, its result read while it is made.

import { Problem, ask, askJson, linesOf, send } from "./api.js";
import { Result } from "./result.js";

const PAUSE_MS = 400;
const FORMATS = ["json", "ndjson", "npz", "coco", "vtt"];
const PASSING = ["result_not_ready", "connection", "rate_limited", "overloaded"];

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

/** What `task` resolves to, tried again as long as what it fails with may pass. */
async function patiently(task) {
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (!PASSING.includes(error.code)) throw error;
      await pause();
    }
  }
}

/** All that the tasks of a bundle allow, but for the overlay, which takes long. */
export const formatsFor = (tasks) => FORMATS.filter((format) => format !== "coco" || tasks.includes("detect"));

/** Resolves to the document of the job. */
export function submit({ file, audio, model, formats }, { onProgress, signal }) {
  const form = new FormData();
  form.append("file", file, "clip"); // its name is nobody's business
  if (audio) form.append("audio", audio, "sound");
  if (model) form.append("model", model);
  form.append("formats", formats.join(","));
  const idempotencyKey = crypto.getRandomValues(new Uint32Array(4)).join("-");
  return send("/v1/jobs", form, { onProgress, signal, idempotencyKey });
}

export class FollowedJob {
  /** `changed(document)` is called with its state as it is, `grown()` when its result has more. */
  constructor(document, { changed, grown, signal }) {
    this.result = new Result();
    Object.assign(this, { document, changed, grown, options: { signal } });
    this.path = `/v1/jobs/${document.id}`;
    this.readable = new Promise((resolve) => { this.readAlready = resolve; }); // there is nothing before
  }

  get ended() {
    return !["queued", "running"].includes(this.document.status);
  }

  /** Resolves when the job has ended and its result was read. */
  async follow() {
    await Promise.all([this.readable.then(() => patiently(() => this.read())), this.watch()]);
  }

  async watch() {
    for (;;) {
      this.document = await patiently(() => askJson(this.path, this.options));
      this.changed(this.document);
      if (this.ended || this.document.progress.frames_done) this.readAlready();
      if (this.ended) return;
      await pause();
    }
  }

  /** Fill `result` line by line, from the start again if the connection or the attempt was lost. */
  async read() {
    try {
      const answer = await ask(`${this.path}/result?format=ndjson`, this.options);
      this.result = new Result();
      for await (const line of linesOf(answer)) {
        if (line.code === "canceled") line.code = "result_not_ready"; // it is in the queue again
        if (line.code) throw new Problem(line);
        this.result.add(line);
        this.grown();
      }
    } catch (error) {
      if (error.code === "no_result") throw await this.failure();
      if (error.code !== "not_acceptable") throw error;
      const document = await askJson(`${this.path}/result?format=json`, this.options);
      this.result.addDocument(document); // of a job that made no NDJSON
      this.grown();
    }
    if (!this.result.complete) throw new Problem({ detail: "The result broke off" });
  }

  async failure() {
    const { error } = await askJson(this.path, this.options);
    return new Problem(error ?? { code: "canceled", detail: "The analysis was ended early" });
  }

  cancel() {
    return ask(`${this.path}/cancel`, { method: "POST" });
  }
}
