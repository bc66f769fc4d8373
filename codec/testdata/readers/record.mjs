// Writes a recording with @mcap/core: joints, commands, an image and a task, as
// lerobot.DefaultConfig reads them, 3 frames.
//
//   node record.mjs FILE chunked|unchunked lz4|none
import { writeFileSync } from "node:fs";
import { McapWriter } from "@mcap/core";
import { parse } from "@foxglove/rosmsg";
import { MessageWriter } from "@foxglove/rosmsg2-serialization";
import lz4js from "lz4js";
import { PNG } from "pngjs";

const [file, layout, compression] = process.argv.slice(2);
const parts = [];
let size = 0n;
const writable = {
  position: () => size,
  write: async (bytes) => { parts.push(Buffer.from(bytes)); size += BigInt(bytes.byteLength); },
};
const options = { writable, useChunks: layout === "chunked", chunkSize: 2000 };
if (compression === "lz4") {
  options.compressChunk = (bytes) => ({ compression: "lz4", compressedData: new Uint8Array(lz4js.compress(bytes)) });
}
const writer = new McapWriter(options);
await writer.start({ profile: "ros2", library: "record.mjs" });

const header = "\n================================================================================\nMSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n================================================================================\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n";
const definitions = {
  "sensor_msgs/msg/JointState": "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort\n" + header,
  "sensor_msgs/msg/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data\n" + header,
  "std_msgs/msg/String": "string data\n",
};
async function channel(topic, schema) {
  const text = definitions[schema];
  const schemaId = await writer.registerSchema({ name: schema, encoding: "ros2msg", data: new TextEncoder().encode(text) });
  const id = await writer.registerChannel({ topic, schemaId, messageEncoding: "cdr", metadata: new Map([["offered_qos_profiles", ""]]) });
  const message = new MessageWriter(parse(text, { ros2: true }));
  let sequence = 0;
  return (logTime, value) => writer.addMessage({ channelId: id, sequence: sequence++, logTime, publishTime: logTime, data: message.writeMessage(value) });
}

const start = 1_700_000_000_000_000_000n;
const names = ["gripper", "wrist_roll", "wrist_flex", "elbow", "shoulder_lift", "shoulder_pan"]; // another order than the dataset's
const task = await channel("/task", "std_msgs/msg/String");
const states = await channel("/joint_states", "sensor_msgs/msg/JointState");
const commands = await channel("/joint_commands", "sensor_msgs/msg/JointState");
const camera = await channel("/camera/front", "sensor_msgs/msg/CompressedImage");
await writer.addAttachment({ name: "notes", logTime: start, createTime: start, mediaType: "text/plain", data: new TextEncoder().encode("an attachment") });
await writer.addMetadata({ name: "robot", metadata: new Map([["serial", "7"]]) });
await task(start, { data: "fold the towel" });
for (let i = 0; i < 3; i++) {
  const at = start + BigInt(i) * 1_000_000_000n / 30n;
  const stamp = { sec: Number(at / 1_000_000_000n), nanosec: Number(at % 1_000_000_000n) };
  const image = new PNG({ width: 64, height: 48, colorType: 2 });
  for (let p = 0; p < 64 * 48; p++) image.data.set([p % 256, i * 40, (p * 7) % 256, 255], 4 * p);
  await camera(at, { header: { stamp, frame_id: "camera" }, format: "png", data: PNG.sync.write(image, { colorType: 2 }) });
  await states(at, { header: { stamp, frame_id: "" }, name: names, position: names.map((_, k) => i + k / 8), velocity: [], effort: [] });
  await commands(at, { header: { stamp, frame_id: "" }, name: names, position: names.map((_, k) => -i - k / 8), velocity: [], effort: [] });
}
await writer.end();
writeFileSync(file, Buffer.concat(parts));
