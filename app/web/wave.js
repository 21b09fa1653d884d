// The loudness of a clip over time, decoded in the browser.

const LONGEST_S = 300;
const RATE_HZ = 8000;
const BINS = 1500;

/** Peaks of equal stretches of the sound in [0, 1], or null if there is none to be had. `length()` is that of the
 * clip in seconds, 0 while it is not known. */
export async function peaksOf(file, length) {
  while (!length()) await new Promise((resolve) => setTimeout(resolve, 100));
  const duration = length();
  if (duration > LONGEST_S) return null;
  try {
    const sound = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await file.arrayBuffer());
    const peaks = new Float32Array(BINS);
    for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
      const samples = sound.getChannelData(channel);
      for (let index = 0; index < samples.length; index += 1) {
        const bin = Math.floor((index / RATE_HZ / duration) * BINS);
        if (bin < BINS) peaks[bin] = Math.max(peaks[bin], Math.abs(samples[index]));
      }
    }
    const most = Math.max(...peaks) || 1;
    return peaks.map((value) => value / most);
  } catch {
    return null; // no sound, or a codec that this browser does not know
  }
}
