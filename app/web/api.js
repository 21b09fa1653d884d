// Requests to the server, with the reader's key if one is needed, and its errors as sentences.

import { ui } from "./ui.js";

const STORED = "earsight-key";

/** What to do about an error, by its code; the server's own `detail` says what is wrong. */
const ADVICE = {
  unsupported_media: "Take a video (MP4, MOV, WebM, Matroska, AVI) or a picture with a sound file.",
  media_corrupt: "The file seems to be damaged or incomplete; export it once more and try again.",
  no_video_stream: "Take a clip that has a picture, or a picture with this as its sound file.",
  no_audio_stream: "Take another sound file.",
  upload_too_large: "Cut the clip or lower its quality.",
  limits_exceeded: "Cut the clip or make it smaller.",
  decode_timeout: "Convert the clip to H.264 in MP4 and try again.",
  rate_limited: "Wait a moment and try again.",
  overloaded: "Wait a moment and try again.",
  forbidden: "Use a key that may analyse.",
  not_found: "It may have been removed, or belong to somebody else.",
  result_expired: "Analyse the clip again.",
  connection: "See whether the server is running, then try again.",
};

export class Problem extends Error {
  /** Takes a problem document of the server, or what stands in for one. */
  constructor(document) {
    super(document.detail);
    Object.assign(this, { code: "connection" }, document);
  }

  /** Whole sentences: what is wrong, and what to do. */
  get sentences() {
    const { code, detail, setting, limit, status, request_id: id } = this;
    const parts = [`${detail[0].toUpperCase()}${detail.slice(1).replace(/[.]$/, "")}.`, ADVICE[code]];
    const now = limit == null ? "" : `, now ${limit.toLocaleString("en")}`; // its unit is in the name
    if (setting) parts.push(`Whoever runs the server can change this with ${setting}${now}.`);
    if (status >= 500 && id) parts.push(`The server's log has more under ${id}.`);
    return parts.filter(Boolean).join(" ");
  }
}

export function shownBytes(bytes) {
  const [unit, size] = bytes >= 2 ** 20 ? ["MiB", 2 ** 20] : ["KiB", 2 ** 10];
  return `${Math.round((10 * bytes) / size) / 10} ${unit}`;
}

export const keyOf = () => sessionStorage.getItem(STORED);

/** Ask for a key in a dialog; resolves to null if there is none. */
function askForKey(detail) {
  const dialog = ui.keyDialog;
  ui.keyDetail.textContent = `The server says: ${detail}.`;
  ui.key.value = dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "use" ? ui.key.value.trim() : null), { once: true });
  });
}

/** The answer of `attempt(headers)`, made again with a key where one is needed. Throws Problem if it is refused. */
async function admitted(attempt) {
  for (;;) {
    const answer = await attempt(keyOf() ? { Authorization: `Bearer ${keyOf()}` } : {});
    if (answer.ok) return answer;
    const { status } = answer;
    const document = await answer.json().catch(() => ({ code: "gateway", detail: `The server answered ${status}` }));
    const key = status === 401 && (await askForKey(document.detail));
    if (!key) throw new Problem({ ...document, status });
    sessionStorage.setItem(STORED, key); // as long as this tab is open
  }
}

/** Broken connections as problems; what was given up stays an AbortError. */
async function connected(promise) {
  try {
    return await promise;
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem({ detail: "The server does not answer" });
  }
}

export const ask = (path, { method = "GET", signal } = {}) => admitted(
  (headers) => connected(fetch(path, { method, signal, headers })));

export const askJson = async (path, options) => (await ask(path, options)).json();

/** Send a form with progress, which `fetch` cannot tell. Resolves to the answer's JSON. */
export async function send(path, form, { onProgress, signal, idempotencyKey }) {
  const answer = await admitted((headers) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const pair of Object.entries({ ...headers, "Idempotency-Key": idempotencyKey })) request.setRequestHeader(...pair);
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onload = () => resolve(new Response(request.responseText, { status: request.status }));
    request.onerror = () => reject(new Problem({ detail: "The connection broke while the clip was sent" }));
    request.onabort = () => reject(new DOMException("given up", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  }));
  return answer.json();
}

/** The objects of an NDJSON answer as they come. */
export async function* linesOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await connected(reader.read());
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      yield* lines.map((line) => JSON.parse(line));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
