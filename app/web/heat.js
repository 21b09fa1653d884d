// Colour over the places that sound: a grid of bytes, bilinear, through a colour map. The opacity follows the
// value, which is a probability and never stretched, so silence shows nothing.

import { tableOf } from "./colours.js";

const FLOOR = 0.04; // below this no colour

const VERTEX = `#version 300 es
out vec2 at;
void main() {
  at = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(at.x * 2.0 - 1.0, 1.0 - at.y * 2.0, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D heat; uniform sampler2D colours;
uniform vec2 look; // opacity, threshold
in vec2 at; out vec4 colour;
void main() {
  float value = texture(heat, at).r;
  float alpha = value < look.y ? 0.0 : look.x * clamp((value - ${FLOOR}) / ${1 - FLOOR}, 0.0, 1.0);
  vec3 tone = texelFetch(colours, ivec2(value * 255.0 + 0.5, 0), 0).rgb;
  colour = vec4(tone * alpha, alpha);
}`;

function compile(gl) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return program;
}

class GlHeat {
  constructor(canvas, gl) {
    const program = compile(gl);
    Object.assign(this, { canvas, gl, look: gl.getUniformLocation(program, "look") });
    gl.useProgram(program);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    ["heat", "colours"].forEach((name, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
      gl.uniform1i(gl.getUniformLocation(program, name), unit);
    });
  }

  clear() {
    this.gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    this.gl.clear(this.gl.COLOR_BUFFER_BIT);
  }

  draw(grid, { map, opacity, threshold }) {
    const { gl } = this;
    if (this.map !== map) {
      this.map = map;
      gl.activeTexture(gl.TEXTURE1);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, tableOf(map));
    }
    gl.activeTexture(gl.TEXTURE0);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, grid.columns, grid.rows, 0, gl.RED, gl.UNSIGNED_BYTE, grid.cells);
    gl.uniform2f(this.look, opacity, threshold);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}

/** The same without WebGL: cells are coloured, then smoothed. */
class FlatHeat {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  draw({ rows, columns, cells }, { map, opacity, threshold }) {
    const small = new OffscreenCanvas(columns, rows);
    const picture = new ImageData(columns, rows);
    const table = tableOf(map);
    cells.forEach((cell, index) => {
      const value = cell / 255;
      picture.data.set(table.subarray(cell * 4, cell * 4 + 3), index * 4);
      picture.data[index * 4 + 3] = value < threshold ? 0 : 255 * opacity * Math.max(0, (value - FLOOR) / (1 - FLOOR));
    });
    small.getContext("2d").putImageData(picture, 0, 0);
    this.context.drawImage(small, 0, 0, this.canvas.width, this.canvas.height);
  }
}

/** What draws heat on a canvas: clear() and draw(grid, { map, opacity, threshold }) on top. */
export function heatOn(canvas) {
  // Kept after it was shown, so that a picture of the page can be taken.
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  return gl ? new GlHeat(canvas, gl) : new FlatHeat(canvas);
}
