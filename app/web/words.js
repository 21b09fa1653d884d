// Times, shares and commands as people read them.

/** 83.4 as 1:23.4, or as 1:23 with 0 digits. */
export function shownTime(seconds, digits = 1) {
  const rounded = Number(seconds.toFixed(digits));
  const minutes = Math.floor(rounded / 60);
  return `${minutes}:${(rounded - minutes * 60).toFixed(digits).padStart(digits ? 4 : 2, "0")}`;
}

export const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

/** The first of the names that a sound goes by. */
export const shortName = (label) => label.split(",")[0];

const REASONS = {
  off_screen: "Nothing in sight could be the source of this sound, so there is nothing to explain.",
  unsure: "The score is too low to be explained.",
  no_moment: "No moment stands out; the places do.",
};

/** An explanation as sentences. */
export function whyText({ event, when_audio: audio, time_s: times, sound_share: share, reason, counterfactual }) {
  const most = times[audio.indexOf(Math.max(...audio))];
  const parts = [`${event.label} (${percent(event.score)}).`];
  if (reason) parts.push(REASONS[reason] ?? "");
  else parts.push(`The sound speaks for it most at ${shownTime(most)}; of what speaks for it, ${percent(share)} is sound.`);
  if (counterfactual) {
    parts.push(`Had ${counterfactual.sound} been heard instead, ${percent(counterfactual.score)} would be left of it.`);
  }
  return { text: parts.join(" "), most: reason ? null : most };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A file as curl's -F takes it, whatever its name. */
const fileField = (field, name) => `${field}=@"${name.replaceAll(/["\\]/g, "\\$&")}"`;

export function curlText({ origin, withKey, clip, model, job }) {
  const key = withKey ? ` -H "Authorization: Bearer $EARSIGHT_KEY"` : "";
  const fields = [fileField("file", clip?.file.name ?? "clip.mp4")];
  if (clip?.audio) fields.push(fileField("audio", clip.audio.name));
  if (model) fields.push(`model=${model}`);
  return `curl -s${key} ${fields.map((field) => `-F ${quoted(field)}`).join(" ")} ${origin}/v1/jobs
curl -s${key} -o result.json ${origin}/v1/jobs/${job}/result`;
}
