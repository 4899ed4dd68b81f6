// Shows the OpenAPI description as a plain list: what a client's author needs, with nothing loaded from elsewhere.
const main = document.getElementById("docs");

function add(parent, tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

function shape(parent, title, content) {
  const schema = content && (content["application/json"]?.schema ?? content["application/json"]);
  if (!schema) return;
  const details = add(parent, "details");
  add(details, "summary", title);
  add(details, "pre", JSON.stringify(schema, null, 2));
}

const spec = await (await fetch(main.dataset.spec)).json();
for (const [path, operations] of Object.entries(spec.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    const section = add(main, "section", "", { class: "card stack-small" });
    add(section, "h2", `${method.toUpperCase()} ${path}`);
    add(section, "p", [operation.summary, operation.description].filter(Boolean).join(". "));
    for (const parameter of operation.parameters ?? []) {
      add(section, "p", `${parameter.in}: ${parameter.name}. ${parameter.description ?? ""}`);
    }
    shape(section, "Request", operation.requestBody?.content);
    for (const [status, response] of Object.entries(operation.responses ?? {})) {
      shape(section, `${status} ${response.description ?? ""}`, response.content);
    }
  }
}
