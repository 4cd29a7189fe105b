// Makes the body of a request from the playground's form, by the shape that the server describes.

const READERS = {
  string: (text) => text,
  number: (text) => Number(text),
  lines: (text) => text.split("\n").map((line) => line.trim()).filter(Boolean),
  json: (text) => JSON.parse(text),
};

/** A field that cannot be sent as it is. */
export class FieldProblem extends Error {
  constructor(name, message) {
    super(message);
    this.field = name;
  }
}

/**
 * Return the body as an object, with files as File objects where they stand.
 * Raises FieldProblem where a text is no JSON or a required field is empty; with `lenient` it is left out.
 */
export function bodyOf(form, shape, { lenient = false } = {}) {
  const body = { model: form.elements.namedItem("model").value };
  const messages = [];
  for (const field of shape.fields) {
    const control = form.elements.namedItem(field.name);
    const text = field.value === "file" || field.value === "data-url" ? "" : control.value;
    if (control.required && !text.trim() && !control.files?.length && !lenient) throw new FieldProblem(field.name, "Fill this in first.");
    if (field.value === "system" || field.value === "user") {
      if (text.trim() || (lenient && field.value === "user")) messages.push({ role: field.value, content: text.trim() ? text : control.placeholder });
    } else if (control.files) {
      if (control.files.length) body[field.name] = control.files[0];
      else if (control.required) body[field.name] = null;
    } else if (text.trim()) {
      const value = read(field, text, lenient);
      if (value !== undefined) body[field.name] = value;
    } else if (lenient && control.required) {
      body[field.name] = READERS[field.value](control.placeholder);
    }
  }
  if (messages.length) body.messages = messages;
  return body;
}

function read(field, text, lenient) {
  try {
    return READERS[field.value](text);
  } catch (error) {
    if (lenient) return undefined;
    throw new FieldProblem(field.name, `This is not valid JSON: ${error.message}.`);
  }
}

/** Add the mode to a body as the API wants it; sync is what it does unasked. */
export function withMode(body, mode) {
  if (mode === "stream") return { ...body, stream: true };
  return mode === "async" ? { ...body, mode: "async" } : body;
}

/** Return the options of a fetch that sends a body: as JSON, or as a form where the shape says so. */
export async function encoded(body, shape) {
  if (shape.form) {
    const form = new FormData();
    for (const [name, value] of Object.entries(body)) form.append(name, value);
    return { form };
  }
  const entries = await Promise.all(Object.entries(body).map(async ([name, value]) => [name, value instanceof File ? await dataUrl(value) : value]));
  return { json: Object.fromEntries(entries) };
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new FieldProblem("", `${file.name} could not be read.`));
    reader.readAsDataURL(file);
  });
}
