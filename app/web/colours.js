// Colour maps that rise evenly in lightness, so that they can be read without seeing hues.

const ANCHORS = {
  inferno: "000004180c3c420a686a176e932667bc3754dd513af3761bfca50af6d746fcffa4",
  viridis: "440154482576414487355f8d2a788e21918c22a88442be717ad151bddf26fde725",
  cividis: "00224e0c347035456c4f576c6669707d7c78948e77ada272c8b866e5cf52fee838",
  // For the explanation: blue, like all that is about the sound.
  blue: "0b2a4a76b2ecffffff",
};

const tables = new Map();

/** 256 colours as RGBA bytes. */
export function tableOf(name) {
  if (!tables.has(name)) {
    const context = new OffscreenCanvas(256, 1).getContext("2d");
    const gradient = context.fillStyle = context.createLinearGradient(0.5, 0, 255.5, 0);
    const anchors = ANCHORS[name].match(/.{6}/g);
    anchors.forEach((colour, index) => gradient.addColorStop(index / (anchors.length - 1), `#${colour}`));
    context.fillRect(0, 0, 256, 1);
    tables.set(name, context.getImageData(0, 0, 256, 1).data);
  }
  return tables.get(name);
}

const TRACKS = ["#4ad6ff", "#98f060", "#ff8ad8", "#ffe05c", "#96b0ff", "#46e8be", "#ffaa78", "#d6a0ff"];

/** The tone of a track, from 1, the same as in the overlay video. */
export const trackColour = (id) => TRACKS[(id - 1) % TRACKS.length];
