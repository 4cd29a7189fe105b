// The request of the playground as code: curl, and Python with OpenAI's client. Pure.

/** Return a shell command. */
export function curl(shape, body, mode, base) {
  const head = [`curl ${mode === "stream" ? "-N " : ""}${base}${shape.route}`, '-H "Authorization: Bearer $GENIE_API_KEY"'];
  if (shape.form) {
    const parts = Object.entries(body).map(([name, value]) => `-F ${name}=${isFile(value) ? `@${quoted(fileName(value, "recording.wav"))}` : quoted(value)}`);
    return [...head, ...parts].join(" \\\n  ");
  }
  const sound = shape.sound && mode === "sync" ? [`--output speech.${body.response_format || "mp3"}`] : [];
  const data = `-d ${quoted(JSON.stringify(plain(body), null, 2).replaceAll("\n", "\n  "))}`;
  return [...head, '-H "Content-Type: application/json"', ...sound, data].join(" \\\n  ");
}

/** Return a program. */
export function python(shape, body, mode, base) {
  const head = ["import os", "", "from openai import OpenAI", "", `client = OpenAI(base_url=${literal(base)}, api_key=os.environ["GENIE_API_KEY"])`];
  const values = plain(body);
  if (mode === "async" && shape.form) return [...head, ...asyncForm(shape, values)].join("\n");
  if (mode === "async") return [...head, ...post("job", shape, values), ...waiting()].join("\n");
  if (!shape.call) return [...head, ...post("answer", shape, values), shownBy(shape)].join("\n");
  return [...head, ...direct(shape, values, mode)].join("\n");
}

// For what OpenAI's client has no method of: its generic one.
function post(name, shape, values) {
  return [`${name} = client.post(`, `    ${literal(shape.route)},`, "    cast_to=object,", `    body=${literal(values, 1)},`, ")"];
}

function asyncForm(shape, values) {
  const { file, ...others } = values;
  return [
    `with open(${literal(file)}, "rb") as file:`,
    "    job = client.post(",
    `        ${literal(shape.route)},`,
    "        cast_to=object,",
    `        body=${literal(others, 2)},`,
    '        files={"file": file},',
    '        options={"headers": {"Content-Type": "multipart/form-data"}},',
    "    )",
    ...waiting(),
  ];
}

function waiting() {
  return [
    'while job["status"] in ("queued", "running"):',
    "    job = client.get(",
    '        f"/jobs/{job[\'id\']}", cast_to=object, options={"headers": {"Prefer": "wait=30"}}',
    "    )",
    'print(job.get("result") or job["error"])',
  ];
}

function direct(shape, values, mode) {
  const own = new Set(shape.fields.filter((field) => !field.openai).map((field) => field.name));
  const known = Object.entries(values).filter(([name]) => !own.has(name));
  const extra = Object.fromEntries(Object.entries(values).filter(([name]) => own.has(name)));
  const lines = known.map(([name, value]) => `    ${name}=${isRecording(shape, name) ? `open(${literal(value)}, "rb")` : literal(value, 1)},`);
  if (Object.keys(extra).length) lines.push(`    extra_body=${literal(extra, 1)},`);
  const call = `client.${shape.call}(`;
  if (mode === "stream") {
    return ["stream = " + call, ...lines, ")", "for chunk in stream:", "    if chunk.choices:", '        print(chunk.choices[0].delta.content or "", end="", flush=True)'];
  }
  return ["answer = " + call, ...lines, ")", shownBy(shape)];
}

function shownBy(shape) {
  return SHOWN[shape.key] || "print(answer)";
}

const SHOWN = {
  chat: "print(answer.choices[0].message.content)",
  image: "print([picture.url for picture in answer.data])",
  speech: 'answer.write_to_file("speech.out")',
  transcription: 'print(getattr(answer, "text", answer))',
  embedding: "print(len(answer.data), len(answer.data[0].embedding))",
  rerank: 'for one in answer["results"]:\n    print(one["relevance_score"], one["index"])',
};

function isRecording(shape, name) {
  return shape.form && name === "file";
}

/** Return a value as Python writes it. */
function literal(value, depth = 0) {
  const inner = "    ".repeat(depth + 1);
  const outer = "    ".repeat(depth);
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const flat = JSON.stringify(value).length < 60;
  const items = Array.isArray(value) ? value.map((item) => literal(item, flat ? 0 : depth + 1)) : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${literal(item, flat ? 0 : depth + 1)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (flat) return `${open}${items.join(", ")}${close}`;
  return `${open}\n${items.map((item) => `${inner}${item},`).join("\n")}\n${outer}${close}`;
}

/** Return the body with names in place of files. */
function plain(body) {
  const named = ([name, value]) => [name, isFile(value) ? (name === "file" ? fileName(value, "recording.wav") : `data:image/png;base64,<${fileName(value, `${name}.png`)} in base64>`) : value];
  return Object.fromEntries(Object.entries(body).map(named));
}

function isFile(value) {
  return value === null || (typeof File !== "undefined" && value instanceof File);
}

function fileName(value, otherwise) {
  return value?.name || otherwise;
}

function quoted(text) {
  return `'${String(text).replaceAll("'", "'\\''")}'`;
}
