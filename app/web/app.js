// The page: a clip comes in, a job is followed, and what it finds is shown as it comes.

import { Problem, ask, askJson, keyOf, shownBytes } from "./api.js";
import { clipOf, wireIntake } from "./intake.js";
import { FollowedJob, formatsFor, submit } from "./job.js";
import { showFiles } from "./panel.js";
import { forget, grown, grownSoon, jobs, playOverlay, present, wireScreen } from "./screen.js";
import { element, ui } from "./ui.js";
import { curlText, percent } from "./words.js";

const STAGES = { queued: "Waiting for its turn", probe: "Opening the clip", analyze: "Listening and looking",
  encode: "Writing the files", done: "Done" };

let models = [];
let limits = null;
let learning = null;
let clip = null;
let work = new AbortController(); // ends all that is under way for the clip on the screen

/** Show an error; what the reader gave up is none. */
function report(error) {
  if (error.name === "AbortError") return;
  ui.alert.textContent = error.sentences ?? "Something went wrong. Load the page again.";
  ui.alert.hidden = false;
  ui.alert.scrollIntoView({ block: "nearest" });
  if (!error.sentences) console.error(error);
}

function say(text, share) {
  ui.progress.hidden = false;
  ui.status.textContent = text;
  if (share === null) ui.meter.removeAttribute("value");
  else ui.meter.value = share;
}

/** An empty screen for a clip, or for null where only its result is known. */
function begin(taken) {
  work.abort();
  work = new AbortController();
  forget();
  clip = taken;
  ui.intake.hidden = ui.alert.hidden = true;
  ui.work.hidden = ui.another.hidden = false;
  ui.second.hidden = ui.makeOverlay.hidden = ui.watch.hidden = true;
  for (const emptied of [ui.overlayStatus, ui.otherStatus, ui.caption, ui.captionTwo]) emptied.textContent = "";
  ui.other.value = "";
  ui.other.disabled = !clip;
  present(clip);
}

function leave() {
  begin(null);
  ui.work.hidden = ui.another.hidden = true;
  ui.intake.hidden = false;
  history.replaceState(null, "", location.pathname);
}

/** What `task` does for the clip on the screen, and `failed(error)` unless that is another one by then. */
async function attempt(task, failed) {
  const { signal } = work;
  try {
    await task(signal);
  } catch (error) {
    if (!signal.aborted) failed(error);
  }
}

function giveUp(error) {
  ui.progress.hidden = true;
  if (!jobs.first?.result.frames.length) leave();
  report(error);
}

async function start(taken) {
  begin(taken);
  await attempt(async (signal) => {
    say("Asking the server", null);
    await learn();
    signal.throwIfAborted();
    checkSize(taken);
    const job = await handIn({ model: ui.model.value }, say);
    history.replaceState(null, "", `#job=${job.id}`);
    await followFirst(job);
  }, giveUp);
}

function checkSize({ file, audio }) {
  const [size, limit] = [file.size + (audio?.size ?? 0), limits.max_upload_bytes];
  if (size <= limit) return;
  throw new Problem({ code: "upload_too_large", setting: "EARSIGHT_LIMITS__MAX_UPLOAD_BYTES", limit,
    detail: `The clip has ${shownBytes(size)}, more than this server takes` });
}

/** Make a job of the clip on the screen. `tell(text, share)` is told how far its upload is. */
function handIn({ model, formats }, tell) {
  const { tasks } = models.find(({ name }) => name === model) ?? { tasks: [] };
  tell("Sending the clip", 0);
  return submit({ ...clip, model, formats: formats ?? formatsFor(tasks) },
    { onProgress: (share) => tell(`Sending the clip: ${percent(share)}`, share), signal: work.signal });
}

function followed(job, tell) {
  const { signal } = work; // what comes after the clip has left is not shown
  return new FollowedJob(job, { signal, grown: () => signal.aborted || grownSoon(),
    changed: ({ progress: { stage, fraction } }) => signal.aborted
      || tell(STAGES[stage], stage === "queued" ? null : fraction) });
}

async function followFirst(job) {
  const { signal } = work;
  jobs.first = followed(job, say);
  listFiles(); // none, but the command
  await jobs.first.follow();
  signal.throwIfAborted();
  grown();
  ui.progress.hidden = true;
  const { result: { head }, document } = jobs.first;
  ui.caption.textContent = [`Bundle ${document.model?.name}`, ...head.warnings.map(({ message }) => message)].join(" · ");
  listFiles();
}

/** What can be taken away by now. */
function listFiles() {
  const { result, document: { id, model } } = jobs.first;
  const documents = [jobs.first, jobs.overlay].filter(Boolean).map(({ document }) => document);
  const overlay = documents.flatMap(({ artifacts }) => artifacts).find(({ name }) => name === "overlay.mp4");
  showFiles(documents, report);
  ui.watch.hidden = !overlay;
  ui.watch.onclick = () => attempt(async () => playOverlay(await (await ask(overlay.href)).blob()), report);
  ui.makeOverlay.hidden = !clip || !result.complete || Boolean(overlay);
  const name = model?.name ?? ui.model.value;
  const isDefault = models.some((each) => each.name === name && each.default);
  ui.curl.textContent = curlText({ origin: location.origin, withKey: keyOf(), clip, model: isDefault ? "" : name, job: id });
}

/** Show the state of something beside the clip in `place`; the error that ended it, too. */
function teller(place) {
  const tell = (text) => { place.textContent = text; };
  return { tell, failed: (error) => (error.sentences ? tell(error.sentences) : report(error)) };
}

/** A second opinion: the clip through another bundle, or a job that has done this. */
async function compare(find, name) {
  const { tell, failed } = teller(ui.otherStatus);
  jobs.second = null;
  ui.second.hidden = !find;
  tell("");
  if (!find) return grown();
  ui.captionTwo.textContent = `Bundle ${name}`;
  ui.other.disabled = true; // one after the other
  await attempt(async () => {
    const job = await find(tell);
    jobs.second = followed(job, tell);
    history.replaceState(null, "", `#job=${jobs.first.document.id}&with=${job.id}`);
    await jobs.second.follow();
    ui.captionTwo.textContent = `Bundle ${jobs.second.document.model.name}`;
    tell("");
    grown();
  }, failed);
  ui.other.disabled = !clip;
}

async function makeOverlay() {
  const { tell, failed } = teller(ui.overlayStatus);
  ui.makeOverlay.hidden = true;
  await attempt(async () => {
    const job = followed(await handIn({ model: jobs.first.document.model.name, formats: ["overlay"] }, tell), tell);
    await job.watch();
    if (job.document.status !== "succeeded") throw await job.failure();
    jobs.overlay = job;
    tell("");
    listFiles();
  }, (error) => {
    listFiles();
    failed(error);
  });
}

/** The job that the address names. */
async function open() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const [first, second] = [wanted.get("job"), wanted.get("with")];
  if (!first || first === jobs.first?.document.id) return;
  begin(null);
  await attempt(async (signal) => {
    await learn();
    const find = (id) => askJson(`/v1/jobs/${encodeURIComponent(id)}`, { signal });
    await followFirst(await find(first));
    if (second) await compare(() => find(second), "");
  }, giveUp);
}

/** Lay the reader's own file under a result that came without one. */
async function attach(file) {
  if (crypto.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
    const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (sha256 !== jobs.first.result.head?.source.sha256) {
      report(new Problem({ code: "", detail: "This result speaks of another clip than that. Choose the same file" }));
      return;
    }
  }
  ui.alert.hidden = true;
  clip = clipOf(file);
  ui.other.disabled = false;
  present(clip);
  grown();
  listFiles();
}

async function copy({ target }, text) {
  await navigator.clipboard.writeText(text);
  const label = target.textContent;
  target.textContent = "Copied";
  setTimeout(() => { target.textContent = label; }, 1500);
}

/** What the server offers: asked for once, and again after a failure. */
const learn = () => (learning ??= readOffer().catch((error) => {
  learning = null;
  throw error;
}));

async function readOffer() {
  const [told, offered] = await Promise.all(["page/limits.json", "/v1/models"].map((path) => askJson(path)));
  limits = told;
  ui.limits.append(` · up to ${shownBytes(limits.max_upload_bytes)}`);
  models = offered.models;
  for (const { name, default: first } of models) {
    ui.model.append(element("option", name, { selected: first }));
    ui.other.append(element("option", name));
  }
}

function wire() {
  wireScreen();
  wireIntake({ take: start, report });
  ui.another.onclick = leave;
  ui.cancel.onclick = () => (jobs.first ? jobs.first.cancel().catch(report) : leave());
  ui.makeOverlay.onclick = makeOverlay;
  ui.copying.hidden = !navigator.clipboard; // over https and on this machine only
  ui.copyLink.onclick = (event) => copy(event, location.href);
  ui.copyCurl.onclick = (event) => copy(event, ui.curl.textContent);
  ui.attach.onclick = () => ui.attached.click();
  ui.attached.onchange = () => ui.attached.files[0] && attach(ui.attached.files[0]).catch(report);
  ui.other.onchange = ({ target: { value } }) => compare(value && ((tell) => handIn({ model: value }, tell)), value);
  window.addEventListener("hashchange", open);
}

wire();
learn().then(open, report);
