// How a clip comes onto the page: dropped, chosen, recorded, or the sample.

import { Problem, ask } from "./api.js";
import { ui } from "./ui.js";

const LONGEST_RECORDING_MS = 60_000;

/** A clip: what is analysed (`file`, `audio`), and whether it is a picture. */
export const clipOf = (file, audio = null) => ({ file, audio, picture: file.type.startsWith("image/") });

/** Wire what takes clips; `take(clip)` is called with each. */
export function wireIntake({ take, report }) {
  const chosen = (file) => {
    if (!file) return;
    const clip = clipOf(file, ui.audio.files[0]);
    if (clip.picture && !clip.audio) report(new Problem({ code: "", detail: "A picture needs a sound file: see Options" }));
    else take(clip);
  };
  ui.file.onchange = () => {
    chosen(ui.file.files[0]);
    ui.file.value = ""; // the same file may be chosen again
  };
  ui.sample.onclick = () => ask("page/sample.mp4").then((answer) => answer.blob()).then(
    (blob) => take(clipOf(new File([blob], "sample.mp4", { type: "video/mp4" }))), report);
  for (const name of ["dragover", "dragleave", "drop"]) { // anywhere on the page will do
    document.addEventListener(name, (event) => {
      event.preventDefault();
      ui.drop.classList.toggle("over", name === "dragover");
      if (name === "drop") chosen(event.dataTransfer.files[0]);
    });
  }
  wireRecorder(take);
}

function wireRecorder(take) {
  const { recordDialog: dialog, recordGo: go, preview } = ui;
  let recorder = null;
  const show = (status, label) => { [ui.recordStatus.textContent, go.textContent] = [status, label]; };

  ui.record.hidden = !(navigator.mediaDevices && window.MediaRecorder);
  ui.record.onclick = async () => {
    dialog.showModal();
    go.disabled = true;
    show("Asking for camera and microphone …", "Start");
    try {
      preview.srcObject = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    } catch {
      show("Allow camera and microphone in the browser's settings, or choose a file.", "Start");
      return;
    }
    if (!dialog.open) return end();
    go.disabled = false;
    show("Ready: up to a minute.", "Start");
  };
  go.onclick = () => {
    if (recorder) return recorder.stop();
    const parts = [];
    recorder = new MediaRecorder(preview.srcObject);
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = ({ target }) => {
      const type = target.mimeType.split(";")[0];
      if (!dialog.open) return; // it was closed
      dialog.close();
      take(clipOf(new File(parts, `recording.${type.split("/")[1]}`, { type })));
    };
    recorder.start();
    setTimeout((mine) => mine.state === "recording" && mine.stop(), LONGEST_RECORDING_MS, recorder);
    show("Recording …", "Stop and analyse");
  };
  const end = () => {
    if (recorder?.state === "recording") recorder.stop();
    preview.srcObject?.getTracks().forEach((track) => track.stop());
    preview.srcObject = recorder = null;
  };
  dialog.onclose = end;
  ui.recordClose.onclick = () => dialog.close();
}
