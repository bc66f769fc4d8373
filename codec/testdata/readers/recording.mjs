// Reads recordings with @mcap/core, front to back and by their indexes, and prints
// what is in them as JSON.
//
//   node recording.mjs FILE...
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { McapIndexedReader, McapStreamReader } from "@mcap/core";
import { parse } from "@foxglove/rosmsg";
import { MessageReader } from "@foxglove/rosmsg2-serialization";
import { decompress as zstd } from "fzstd";
import lz4js from "lz4js";

const decompressHandlers = {
  zstd: (bytes, size) => zstd(bytes, new Uint8Array(Number(size))),
  lz4: (bytes, size) => new Uint8Array(lz4js.decompress(bytes, Number(size))),
};

const header = `
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
`;
const readers = {
  "sensor_msgs/msg/JointState": new MessageReader(parse("std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort\n" + header, { ros2: true })),
  "sensor_msgs/msg/CompressedImage": new MessageReader(parse("std_msgs/Header header\nstring format\nuint8[] data\n" + header, { ros2: true })),
  "sensor_msgs/msg/Image": new MessageReader(parse("std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\nuint8[] data\n" + header, { ros2: true })),
  "std_msgs/msg/String": new MessageReader(parse("string data\n", { ros2: true })),
};

const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

function content(schema, data) {
  const reader = readers[schema];
  if (!reader) return {};
  const m = reader.readMessage(data);
  switch (schema) {
    case "sensor_msgs/msg/JointState":
      return { joints: m.name, positions: Array.from(m.position) };
    case "std_msgs/msg/String":
      return { text: m.data };
    default:
      return { image: sha(m.data) };
  }
}

function stream(bytes) {
  const reader = new McapStreamReader({ decompressHandlers, validateCrcs: true });
  reader.append(bytes);
  const schemas = new Map(), channels = new Map(), messages = [], others = {};
  for (let record; (record = reader.nextRecord()); ) {
    switch (record.type) {
      case "Schema": schemas.set(record.id, record.name); break;
      case "Channel": channels.set(record.id, record); break;
      case "Message": {
        const channel = channels.get(record.channelId);
        messages.push({
          topic: channel.topic, sequence: record.sequence, logTime: String(record.logTime),
          data: sha(record.data), ...content(schemas.get(channel.schemaId), record.data),
        });
        break;
      }
      default: others[record.type] = (others[record.type] ?? 0) + 1;
    }
  }
  if (!reader.done()) throw new Error("the file does not end as an MCAP file does");
  return { messages, others };
}

async function indexed(bytes) {
  const readable = {
    size: async () => BigInt(bytes.length),
    read: async (offset, size) => bytes.subarray(Number(offset), Number(offset + size)),
  };
  const reader = await McapIndexedReader.Initialize({ readable, decompressHandlers });
  let messages = 0;
  for await (const _ of reader.readMessages()) messages++;
  return { messages, counted: Number(reader.statistics.messageCount), chunks: reader.chunkIndexes.length };
}

const result = {};
for (const file of process.argv.slice(2)) {
  const bytes = new Uint8Array(readFileSync(file));
  const streamed = stream(bytes);
  result[file] = { ...streamed, indexed: streamed.others.ChunkIndex ? await indexed(bytes) : null };
}
console.log(JSON.stringify(result));
