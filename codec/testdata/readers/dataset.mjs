// Reads a dataset as LeRobot's loader of v2.1 does, and insists on what it insists
// on: meta/info.json names the files and features, statistics have the shapes that
// aggregate_stats asserts, timestamps are in step with fps, images are what
// torchvision makes (channels, height, width) of. Parquet is read by hyparquet, and
// as Arrow by the Rust reader behind parquet-wasm. Statistics are computed anew.
//
//   node dataset.mjs FOLDER
//
// Prints all rows as JSON, images as digests.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { tableFromIPC } from "apache-arrow";
import jpeg from "jpeg-js";
import parquetWasm from "parquet-wasm";
import { PNG } from "pngjs";

const root = process.argv[2];
const text = (path) => readFileSync(join(root, path), "utf8");
const lines = (path) => text(path).split("\n").filter(Boolean).map((line) => JSON.parse(line));
const info = JSON.parse(text("meta/info.json"));
assert.equal(info.codebase_version, "v2.1");
assert.equal(info.video_path, null);
assert.equal(info.total_videos, 0);
const tasks = lines("meta/tasks.jsonl"), episodes = lines("meta/episodes.jsonl"), stats = lines("meta/episodes_stats.jsonl");
tasks.forEach((t, i) => assert.equal(t.task_index, i));
assert.equal(tasks.length, info.total_tasks);
assert.equal(episodes.length, info.total_episodes);
assert.equal(stats.length, info.total_episodes);
assert.deepEqual(info.splits, { train: `0:${info.total_episodes}` });

const pad = (n, digits) => String(n).padStart(digits, "0");
function dataPath(episode) {
  assert.equal(info.data_path, "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet");
  return `data/chunk-${pad(Math.floor(episode / info.chunks_size), 3)}/episode_${pad(episode, 6)}.parquet`;
}

function shapeOf(v) { return Array.isArray(v) ? [v.length, ...shapeOf(v[0])] : []; }

// numbers of one feature of one frame, as statistics see them: per channel.
function decode(bytes) {
  const png = bytes[0] === 0x89;
  const image = png ? PNG.sync.read(Buffer.from(bytes)) : jpeg.decode(Buffer.from(bytes), { useTArray: true });
  if (png) assert.equal(bytes[25], 2, "a PNG of other than three channels"); // its color type
  return { png, height: image.height, width: image.width, pixels: image.data };
}

class Sum {
  constructor() { this.n = 0; this.sum = 0; this.squares = 0; this.min = Infinity; this.max = -Infinity; }
  add(v) { this.n++; this.sum += v; this.squares += v * v; this.min = Math.min(this.min, v); this.max = Math.max(this.max, v); }
  get mean() { return this.sum / this.n; }
  get std() { return Math.sqrt(Math.max(0, this.squares / this.n - this.mean ** 2)); }
}

function closeTo(got, want, tolerance, what) {
  assert.ok(Math.abs(got - want) <= tolerance, `${what}: is ${got}, its values give ${want}`);
}

async function rowsOf(path) {
  const file = await asyncBufferFromFile(join(root, path));
  const metadata = await parquetMetadataAsync(file);
  const rows = await parquetReadObjects({ file, utf8: false });
  const described = JSON.parse(metadata.key_value_metadata.find((kv) => kv.key === "huggingface").value).info.features;
  for (const [name, f] of Object.entries(info.features)) {
    const d = described[name];
    if (f.dtype === "image") assert.deepEqual(d, { _type: "Image" });
    else if (f.shape[0] === 1) assert.deepEqual(d, { _type: "Value", dtype: f.dtype });
    else assert.equal(d.feature.dtype, f.dtype);
  }
  assert.deepEqual(Object.keys(described).sort(), Object.keys(info.features).sort());
  checkArrow(path, rows);
  return { rows, groups: metadata.row_groups.length };
}

// As Arrow, every column has the type by which datasets.Features recognises it.
function checkArrow(path, rows) {
  const table = tableFromIPC(parquetWasm.readParquet(readFileSync(join(root, path))).intoIPCStream());
  assert.equal(table.numRows, rows.length);
  assert.deepEqual(table.schema.fields.map((f) => f.name).sort(), Object.keys(info.features).sort());
  for (const field of table.schema.fields) {
    const f = info.features[field.name];
    const float = { float32: "Float32", int64: "Int64" }[f.dtype];
    const want = f.dtype === "image" ? "Struct<{bytes:Binary, path:Utf8}>" : f.shape[0] === 1 ? float : `List<${float}>`;
    assert.equal(String(field.type), want, field.name);
    assert.ok(field.nullable, field.name);
  }
  for (let i = 0; i < rows.length; i++) {
    const row = table.get(i);
    for (const [name, f] of Object.entries(info.features)) {
      if (f.dtype === "image") {
        assert.deepEqual(Buffer.from(row[name].bytes), Buffer.from(rows[i][name].bytes));
      } else if (f.shape[0] === 1) {
        assert.equal(row[name], rows[i][name]);
      } else {
        assert.deepEqual(Array.from(row[name]), Array.from(rows[i][name]));
      }
    }
  }
}

const all = [];
let index = 0, images = 0, groups = 0;
for (const episode of episodes) {
  const e = episode.episode_index;
  assert.equal(e, all.length);
  const read = await rowsOf(dataPath(e));
  groups += read.groups;
  assert.equal(read.rows.length, episode.length);
  const sums = {};
  const sum = (name, k) => ((sums[name] ??= [])[k] ??= new Sum());
  const rows = [];
  let lossy = false;
  read.rows.forEach((row, i) => {
    assert.equal(Number(row.frame_index), i);
    assert.equal(Number(row.episode_index), e);
    assert.equal(Number(row.index), index++);
    assert.equal(tasks[Number(row.task_index)].task, episode.tasks[0]);
    closeTo(row.timestamp, i / info.fps, 1e-4, "timestamp"); // LeRobot's tolerance_s
    const out = {};
    for (const [name, f] of Object.entries(info.features)) {
      const value = row[name];
      if (f.dtype === "image") {
        const image = decode(value.bytes);
        assert.deepEqual([image.height, image.width, 3], f.shape);
        assert.deepEqual(f.names, ["height", "width", "channels"]);
        lossy ||= !image.png;
        for (let p = 0; p < image.pixels.length; p += 4) for (let c = 0; c < 3; c++) sum(name, c).add(image.pixels[p + c] / 255);
        out[name] = { sha256: createHash("sha256").update(value.bytes).digest("hex"), path: Buffer.from(value.path).toString() };
        images++;
        continue;
      }
      const values = f.shape[0] === 1 ? [value] : Array.from(value);
      assert.equal(values.length, f.shape[0]);
      if (f.names) assert.equal(f.names.length, f.shape[0]);
      values.forEach((v, k) => sum(name, k).add(Number(v)));
      out[name] = values.map(Number);
    }
    rows.push(out);
  });
  const described = stats[e].stats;
  assert.equal(stats[e].episode_index, e);
  assert.deepEqual(Object.keys(described).sort(), Object.keys(info.features).sort());
  for (const [name, s] of Object.entries(described)) {
    const image = info.features[name].dtype === "image";
    assert.equal(name.includes("image"), image); // aggregate_stats goes by the name
    assert.deepEqual(s.count, [episode.length]);
    for (const key of ["min", "max", "mean", "std"]) {
      assert.deepEqual(shapeOf(s[key]), image ? [3, 1, 1] : info.features[name].shape, `${name} ${key}`);
      s[key].flat(2).forEach((v, k) => {
        const want = sums[name][k][key];
        const tolerance = image && lossy ? 0.03 : 1e-6 * Math.max(1, Math.abs(want));
        closeTo(v, want, tolerance, `${name} ${key}[${k}]`);
      });
    }
  }
  all.push({ task: episode.tasks[0], rows });
}
assert.equal(index, info.total_frames);
const files = readdirSync(join(root, "data"), { recursive: true }).filter((f) => f.endsWith(".parquet"));
assert.equal(files.length, info.total_episodes);
console.log(JSON.stringify({ episodes: all, frames: index, images, groups }));
