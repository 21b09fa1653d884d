// The clock of everything on the page: the clip itself, or a clock of its own where there is no clip to play.

export class Player {
  /** `tick(time)` is called for each frame that is shown, and after each seek. */
  constructor(video, tick) {
    this.video = video;
    this.tick = tick;
    this.length = 0; // of the result, in seconds
    this.free = null; // without a clip: { time, playing, since }
    this.wanted = null; // where to seek once the seek under way has ended
    for (const name of ["seeked", "loadeddata", "pause", "play"]) {
      video.addEventListener(name, () => this.refresh());
    }
    video.addEventListener("play", () => this.run());
    video.addEventListener("seeked", () => {
      const { wanted } = this;
      this.wanted = null;
      if (wanted !== null) video.currentTime = wanted;
    });
    // The length of a recording is only found at its end.
    video.addEventListener("loadedmetadata", () => {
      if (video.duration !== Infinity) return;
      video.addEventListener("durationchange", () => { video.currentTime = 0; }, { once: true });
      video.currentTime = 1e9;
    });
  }

  /** Play `source` (a URL), or nothing if it is null. */
  load(source) {
    this.pause();
    this.wanted = null;
    this.waiting = false;
    this.free = source ? null : { time: 0, playing: false, since: 0 };
    if (source) this.video.src = source;
    else this.video.removeAttribute("src");
    this.video.load();
    this.refresh();
  }

  get duration() {
    const { duration } = this.video;
    return this.length || (Number.isFinite(duration) && !this.free ? duration : 0);
  }

  get time() {
    if (!this.free) return this.wanted ?? this.video.currentTime;
    const { time, playing, since } = this.free;
    return playing ? Math.min(time + (performance.now() - since) / 1000, this.duration) : time;
  }

  get playing() {
    return this.free ? this.free.playing : !this.video.paused && !this.video.ended;
  }

  seek(time) {
    const target = Math.min(Math.max(time, 0), this.duration);
    if (this.free) Object.assign(this.free, { time: target, since: performance.now() });
    else if (this.video.seeking) this.wanted = target; // else quick scrubbing would never show a frame
    else this.video.currentTime = target;
    this.refresh();
  }

  toggle() {
    if (this.playing) this.pause();
    else if (this.free) {
      this.free = { time: this.time < this.duration ? this.time : 0, playing: true, since: performance.now() };
      this.run();
    } else this.video.play().catch(() => {}); // it was paused again meanwhile
  }

  pause() {
    if (this.free) Object.assign(this.free, { time: this.time, playing: false });
    else this.video.pause();
    this.refresh();
  }

  /** Tick once before the next painting, however often this is called. */
  refresh() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      this.tick(this.time);
    });
  }

  /** Tick with every frame of the clip while it plays. */
  run() {
    if (this.waiting) return;
    this.waiting = true;
    const ticked = (time) => {
      this.waiting = false;
      if (this.free && time >= this.duration) this.pause();
      this.tick(time);
      if (this.playing) this.run();
    };
    if (!this.free && this.video.requestVideoFrameCallback && this.video.videoWidth) {
      this.video.requestVideoFrameCallback((_, { mediaTime }) => ticked(mediaTime));
    } else requestAnimationFrame(() => ticked(this.time));
  }
}
