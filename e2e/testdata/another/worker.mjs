// A worker of another system, in another language: it turns texts into upper case,
// one unit a text, and publishes a list of the results. It needs Node 20 and
// nothing else. It reaches TiKV through the gateway of tikv-server, and S3 with
// signed requests.
//
//	node worker.mjs transaction          claims the publication in one transaction
//	node worker.mjs put-then-read-back   writes its name, and looks whether it is
//	                                     still there: two of them can both think so
import { createHash, createHmac } from "node:crypto";

const { WORKER_NAME, STALE_AFTER, TIKV_GATEWAY, S3_ENDPOINT, S3_BUCKET } = process.env;
const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION } = process.env;
const broken = process.argv[2] === "put-then-read-back";
const me = `${WORKER_NAME}.${process.pid}`;
const staleMS = 1000 * parseFloat(STALE_AFTER); // "4s"

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// --- TiKV, through the gateway

class Conflict extends Error {}

async function call(path, body) {
	const answer = await fetch(TIKV_GATEWAY + path, {
		method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(2000),
	});
	const got = await answer.json();
	if (answer.status === 409) throw new Conflict(got.error);
	if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${got.error}`);
	return got;
}

class Txn {
	static async begin() {
		const txn = new Txn();
		txn.id = (await call("/begin", {})).txn;
		txn.put = {};
		return txn;
	}
	async get(key) {
		const { value } = await call("/get", { txn: this.id, key });
		return value === null ? null : JSON.parse(value);
	}
	async scan(prefix) {
		const { pairs } = await call("/scan", { txn: this.id, from: prefix + "/", to: prefix + "0", limit: 1000 });
		return pairs.map(({ key, value }) => [key, JSON.parse(value)]);
	}
	set(key, value) {
		this.put[key] = JSON.stringify(value);
	}
	async commit() {
		await call("/commit", { txn: this.id, put: this.put });
	}
}

// --- S3

const hash = (text) => createHash("sha256").update(text).digest("hex");
const mac = (key, text) => createHmac("sha256", key).update(text).digest();

async function s3(method, key, body = "") {
	const url = new URL(`${S3_ENDPOINT}/${S3_BUCKET}/${key}`);
	const time = new Date().toISOString().replace(/[-:]|\.\d*/g, "");
	const scope = `${time.slice(0, 8)}/${AWS_REGION}/s3/aws4_request`;
	const headers = { host: url.host, "x-amz-content-sha256": hash(body), "x-amz-date": time };
	const signed = Object.keys(headers).join(";");
	const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`).join("");
	const request = [method, url.pathname, "", lines, signed, hash(body)].join("\n");
	const day = ["aws4_request", "s3", AWS_REGION, time.slice(0, 8)]
		.reduceRight((k, part) => mac(k, part), "AWS4" + AWS_SECRET_ACCESS_KEY);
	const signature = mac(day, ["AWS4-HMAC-SHA256", time, scope, hash(request)].join("\n")).toString("hex");
	headers.authorization = `AWS4-HMAC-SHA256 Credential=${AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
	delete headers.host;
	const answer = await fetch(url, { method, headers, body: method === "PUT" ? body : undefined, signal: AbortSignal.timeout(2000) });
	const text = await answer.text();
	if (!answer.ok) throw new Error(`${method} ${key}: ${answer.status} ${text}`);
	return text;
}

// again tries until it works, or fenced() says that it is of no use any more.
async function again(what, fenced = () => false) {
	for (;;) {
		try {
			return await what();
		} catch (err) {
			if (err instanceof Conflict || fenced()) throw err;
			await sleep(100);
		}
	}
}

// --- leases: a beat that does not change for the stale time is an owner's that is
// gone, by the clock of whoever looks.

const beats = new Map();

function stale(key, row) {
	const seen = beats.get(key);
	const beat = `${row.epoch}/${row.beat}`;
	if (!seen || seen.beat !== beat) {
		beats.set(key, { beat, since: performance.now() });
		return false;
	}
	return performance.now() - seen.since > staleMS;
}

// keep renews the claim of a unit until stop is called; held() tells whether it is
// still this worker's.
function keep(key, epoch) {
	let held = true, going = true;
	const loop = (async () => {
		while (going && held) {
			await sleep(staleMS / 8);
			if (!going) return;
			try {
				const txn = await Txn.begin();
				const row = await txn.get(key);
				held = row.process === me && row.epoch === epoch;
				if (!held) return;
				txn.set(key, { ...row, beat: row.beat + 1 });
				await txn.commit();
			} catch {
				// A beat that is missed is tried again with the next one.
			}
		}
	})();
	return {
		held: () => held,
		stop: async () => {
			going = false;
			await loop;
		},
	};
}

// --- the work

// claim takes a unit, or returns null.
async function claim() {
	const txn = await Txn.begin();
	for (const [key, row] of await txn.scan("unit")) {
		if (row.state === "todo" || (row.state === "busy" && stale(key, row))) {
			const epoch = row.epoch + 1;
			txn.set(key, { ...row, state: "busy", owner: WORKER_NAME, process: me, epoch, beat: 0 });
			await txn.commit();
			return { key, epoch, source: row.source };
		}
	}
	return null;
}

async function convert({ key, epoch, source }) {
	const lease = keep(key, epoch);
	try {
		const text = await again(() => s3("GET", source), () => !lease.held());
		await sleep(400); // hard work
		const target = `out/${source.replace("in/", "")}.e${epoch}`;
		await again(() => s3("PUT", target, text.toUpperCase()), () => !lease.held());
		await lease.stop();
		await again(async () => {
			const txn = await Txn.begin();
			const row = await txn.get(key);
			if (row.state === "done" || row.process !== me || row.epoch !== epoch) return; // another has it
			txn.set(key, { ...row, state: "done", key: target });
			await txn.commit();
		});
	} finally {
		await lease.stop();
	}
}

// claimPublication returns the generation under which this worker may publish, or
// 0 if another one does.
async function claimPublication() {
	const looking = await Txn.begin();
	const row = await looking.get("publication");
	if (row && !stale("publication", { ...row, epoch: row.generation })) return 0;
	const generation = (row?.generation ?? 0) + 1;
	const mine = { generation, process: me, beat: 0 };
	if (!broken) {
		looking.set("publication", mine); // conflicts with whoever writes it meanwhile
		await looking.commit();
		return generation;
	}
	await sleep(400); // it looks at what it is going to publish
	const writing = await Txn.begin();
	writing.set("publication", mine);
	await writing.commit();
	const reading = await Txn.begin();
	return (await reading.get("publication")).process === me ? generation : 0;
}

async function publish() {
	const txn = await Txn.begin();
	const units = await txn.scan("unit");
	if (units.some(([, row]) => row.state !== "done")) return;
	const generation = await claimPublication();
	if (generation === 0) return;
	const objects = units.map(([, row]) => row.key);
	const manifest = `out/manifest.g${generation}`;
	const start = performance.now();
	await again(() => s3("PUT", manifest, JSON.stringify({ objects })), () => performance.now() - start > staleMS / 2);
	await again(async () => {
		const flip = await Txn.begin();
		const job = await flip.get("job");
		if (!broken) {
			const row = await flip.get("publication");
			if (job.state === "published" || row.process !== me || row.generation !== generation) return;
			flip.set("publication", { ...row, beat: row.beat + 1 });
		}
		flip.set("job", { state: "published", manifest });
		await flip.commit();
	});
}

for (;;) {
	try {
		const job = await (await Txn.begin()).get("job");
		if (job?.state === "published") {
			await sleep(300);
			continue;
		}
		const unit = await claim();
		if (unit) await convert(unit);
		else if (job) await publish();
	} catch (err) {
		if (!(err instanceof Conflict)) console.error(`${me}: ${err.message}`);
	}
	await sleep(50 + 50 * Math.random());
}
