// Goes through every surface of OpenAI's own Node.js client, and tells of each as a line of JSON:
// {"surface": its name, "told": what the client made of the answers} or {"surface": ..., "error": ...}.
// Asserts nothing: tests/acceptance/test_node_client.py does.

import OpenAI, { toFile } from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const { baseURL, apiKey, tiny } = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

const hello = [{ role: "user", content: "hello" }];
const question = [{ role: "user", content: "What is the weather in Paris?" }];
const weather = {
  name: "get_weather",
  description: "The weather now",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};
const Person = z.object({ name: z.string().max(20), age: z.number().int().min(0).max(120) });

function silence() {
  const rate = 8000;
  const data = Buffer.alloc(rate);
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

async function until(ask, done) {
  for (;;) {
    const answer = await ask();
    if (done(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, type: error.type, param: error.param };
  }
  return null;
}

const surfaces = {
  async chat() {
    const { data, response } = await client.chat.completions.create({ model: "echo", messages: hello }).withResponse();
    return {
      text: data.choices[0].message.content,
      usage: data.usage.total_tokens,
      requestId: data._request_id === response.headers.get("x-request-id"),
    };
  },
  async chat_stream() {
    const stream = await client.chat.completions.create({
      model: "echo", messages: hello, stream: true, stream_options: { include_usage: true },
    });
    let text = "";
    let usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage?.total_tokens ?? usage;
    }
    return { text, usage };
  },
  async chat_stream_helper() {
    const runner = client.chat.completions.stream({ model: "echo", messages: hello });
    const deltas = [];
    runner.on("content", (delta) => deltas.push(delta));
    const completion = await runner.finalChatCompletion();
    return { text: completion.choices[0].message.content, deltas: deltas.join("") };
  },
  async completion() {
    return { text: (await client.completions.create({ model: "echo", prompt: "once" })).choices[0].text };
  },
  async tools() {
    const completion = await client.chat.completions.create({
      model: tiny, messages: question, temperature: 0, tools: [{ type: "function", function: weather }],
    });
    const [call] = completion.choices[0].message.tool_calls;
    return { name: call.function.name, arguments: JSON.parse(call.function.arguments), reason: completion.choices[0].finish_reason };
  },
  async tools_run() {
    const asked = [];
    const runner = client.chat.completions.runTools({
      model: tiny, messages: question, temperature: 0,
      tools: [{
        type: "function",
        function: { ...weather, parse: JSON.parse, function: ({ city }) => { asked.push(city); return "sunny"; } },
      }],
    });
    return { asked, text: await runner.finalContent() };
  },
  async parse() {
    const completion = await client.chat.completions.parse({
      model: tiny, messages: [{ role: "user", content: "Make JSON: Anna is 31 years old." }], seed: 5,
      response_format: zodResponseFormat(Person, "person"),
    });
    return { fields: Object.keys(completion.choices[0].message.parsed).sort() };
  },
  async embeddings() {
    const plain = await client.embeddings.create({ model: "echo-embedding", input: ["a b", "c"], encoding_format: "float" });
    const usual = await client.embeddings.create({ model: "echo-embedding", input: ["a b", "c"] });
    const near = usual.data.every((one, row) => one.embedding.every((value, column) => Math.abs(value - plain.data[row].embedding[column]) < 1e-6));
    return { rows: usual.data.length, width: usual.data[0].embedding.length, near };
  },
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { listed: ids.includes("echo"), retrieved: (await client.models.retrieve("parrot")).id };
  },
  async images() {
    const made = await client.images.generate({ model: "flux-schnell", prompt: "a lake", size: "256x256", response_format: "b64_json" });
    return { png: Buffer.from(made.data[0].b64_json, "base64").subarray(1, 4).toString() };
  },
  async speech() {
    const spoken = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "hello", response_format: "wav" });
    return { head: Buffer.from(await spoken.arrayBuffer()).subarray(0, 4).toString() };
  },
  async transcription() {
    const file = await toFile(silence(), "a.wav");
    const written = await client.audio.transcriptions.create({ model: "whisper-1", file, response_format: "verbose_json" });
    return { text: written.text, duration: written.duration };
  },
  async responses() {
    const made = await client.responses.create({ model: "echo", input: "hello", instructions: "Be brief." });
    const again = await client.responses.retrieve(made.id);
    const items = [];
    for await (const item of client.responses.inputItems.list(made.id)) items.push(item.type);
    await client.responses.delete(made.id);
    const gone = await refusal(() => client.responses.retrieve(made.id));
    return { text: made.output_text, status: again.status, items, gone: gone.name };
  },
  async responses_stream() {
    const stream = await client.responses.create({ model: "echo", input: "hello", stream: true });
    const types = new Set();
    const numbers = [];
    let text = "";
    for await (const event of stream) {
      types.add(event.type);
      numbers.push(event.sequence_number);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    return { text, inOrder: numbers.every((number, place) => number === place), last: [...types].at(-1) };
  },
  async responses_parse() {
    const made = await client.responses.parse({
      model: tiny, input: "Make JSON: Anna is 31 years old.", text: { format: zodTextFormat(Person, "person") },
    });
    return { fields: Object.keys(made.output_parsed).sort() };
  },
  async responses_background() {
    const made = await client.responses.create({ model: "echo", input: "hello", background: true });
    const ended = await until(() => client.responses.retrieve(made.id), (one) => !["queued", "in_progress"].includes(one.status));
    const slow = await client.responses.create({ model: "echo-slow", input: "word ".repeat(100), background: true });
    const cancelled = await client.responses.cancel(slow.id);
    return { first: made.status, ended: ended.status, text: ended.output_text, cancelled: cancelled.status };
  },
  async responses_resumed() {
    const made = await client.responses.create({ model: "echo", input: "one two three", background: true, stream: true });
    let id = null;
    for await (const event of made) {
      id ??= event.response?.id;
      if (event.sequence_number === 3) break;
    }
    const rest = [];
    for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: 3 })) rest.push(event);
    return { from: rest[0].sequence_number, last: rest.at(-1).type };
  },
  async files() {
    const made = await client.files.create({
      file: await toFile(Buffer.from("some notes"), "notes.txt"), purpose: "user_data",
      expires_after: { anchor: "created_at", seconds: 3600 },
    });
    const text = await (await client.files.content(made.id)).text();
    const listed = [];
    for await (const file of client.files.list()) listed.push(file.id);
    const { deleted } = await client.files.delete(made.id);
    return { text, lifetime: made.expires_at - made.created_at, listed: listed.includes(made.id), deleted };
  },
  async batches() {
    const lines = ["a", "b"].map((name) => JSON.stringify({
      custom_id: name, method: "POST", url: "/v1/chat/completions",
      body: { model: "echo", messages: [{ role: "user", content: name }] },
    }));
    const input = await client.files.create({ file: await toFile(Buffer.from(lines.join("\n")), "in.jsonl"), purpose: "batch" });
    const made = await client.batches.create({
      input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h",
      output_expires_after: { anchor: "created_at", seconds: 3600 },
    });
    const ended = await until(() => client.batches.retrieve(made.id), (one) => one.completed_at || one.failed_at);
    const output = (await (await client.files.content(ended.output_file_id)).text()).trim().split("\n").map(JSON.parse);
    const file = await client.files.retrieve(ended.output_file_id);
    return {
      first: made.status, ended: ended.status, counts: ended.request_counts,
      texts: output.map((one) => one.response.body.choices[0].message.content),
      lifetime: file.expires_at - file.created_at,
    };
  },
  async errors() {
    const chat = (body, options) => refusal(() => client.chat.completions.create({ model: "echo", messages: hello, ...body }, options));
    return {
      bad: await chat({ messages: [] }),
      missing: await chat({ model: "gpt-nobody" }),
      unknown: await refusal(() => client.withOptions({ apiKey: "sk-genie-nobody-000000000000000000000000" }).models.list()),
      broken: await chat({ model: "echo-broken" }),
      slow: await chat({ model: "echo-slow", messages: [{ role: "user", content: "word ".repeat(100) }] }, { timeout: 300 }),
    };
  },
  async retries() {
    let tries = 0;
    const flaky = async (url, init) => {
      tries += 1;
      if (tries < 3) return new Response("{}", { status: 503, headers: { "retry-after-ms": "1" } });
      return fetch(url, init);
    };
    const patient = client.withOptions({ fetch: flaky, maxRetries: 3 });
    const completion = await patient.chat.completions.create({ model: "echo", messages: hello });
    return { tries, text: completion.choices[0].message.content };
  },
};

for (const [surface, run] of Object.entries(surfaces)) {
  let line;
  try {
    line = { surface, told: await run() };
  } catch (error) {
    line = { surface, error: String(error.stack ?? error) };
  }
  console.log(JSON.stringify(line));
}
