// What is known of one finding, made when it is opened.

// The kinds of blocks, numbered as in html_detail.go.
const textBlock = 0;
const alertBlock = 1;
const fixBlock = 2;
const codeBlock = 3;
const diffBlock = 4;
const partBlock = 6;

// element makes an element with attributes and children; strings become text.
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const riskBadge = (risk) => element("span", { class: "risk " + risk.replaceAll(" ", "-") }, risk);

// detailOf makes what is shown below the sentence of an item.
function detailOf(chosen) {
  const { item, members } = chosen;
  const box = element("div", { class: "detail" });
  if (members) {
    box.append(membersOf(chosen));
    const heaviest = item.members[0];
    box.append(element("h3", {}, item.detail.length === 0
      ? "There was no room on the page for more of these"
      : "The one with the most denials: " + item.what + heaviest.name));
  } else if (item.detail.length === 0) {
    box.append(element("p", {}, "There was no room on the page for more of this finding."));
  }
  for (const block of item.detail) {
    box.append(blockOf(block[0], block.slice(1).map(textOf)));
  }
  return box;
}

// blockOf makes one block.
function blockOf(kind, parts) {
  switch (kind) {
    case textBlock:
      return element("p", {}, element("b", {}, parts[0]), " ", parts[1]);
    case alertBlock:
      return element("p", { class: "alert" }, element("b", {}, parts[0]), " ", parts[1]);
    case fixBlock:
      return element("h3", {}, parts[0], " ", parts[1] === "" ? "" : riskBadge(parts[1]));
    case partBlock:
      return element("h3", {}, parts[0]);
    case diffBlock:
      return copied(parts, (line) => element("span", { class: classOfLine(line) }, line + "\n"));
    case codeBlock:
      return copied(parts, (line) => line + "\n");
  }
  return element("pre", { class: "source" }, parts.join("\n"));
}

// classOfLine says what a line of a unified diff is.
function classOfLine(line) {
  const classes = { "+": "added", "-": "removed", "@": "hunk" };
  return line.startsWith("+++") || line.startsWith("---") ? "hunk" : classes[line[0]] ?? "same";
}

// copied makes lines with a button that copies them.
function copied(lines, show) {
  const pre = element("pre", {}, ...lines.map(show));
  const button = element("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(lines.join("\n") + "\n");
      button.textContent = "Copied";
    } catch { // no clipboard here, as in some mail readers
      getSelection().selectAllChildren(pre);
      button.textContent = "Selected";
    }
  });
  return element("div", { class: "copied" }, pre, button);
}

// membersOf lists the findings of a fold.
function membersOf({ item, members }) {
  const list = element("ul", { class: "members" });
  paged(list, members, (m) => element("li", {},
    element("span", { class: "count" }, "×" + thousands(m.count)), " ",
    element("code", {}, item.what + m.name), " ",
    element("small", {}, m.first < 0 ? "" : "about " + timespan(m.first * data.seconds, (m.last + 1) * data.seconds))));
  return list;
}

const pageLength = 50;

// paged fills a list as far as pageLength, with a button for as many more.
function paged(list, entries, make) {
  let shown = 0;
  const button = element("button", { type: "button" });
  const last = element("li", { class: "more" }, button);
  const more = () => {
    const next = entries.slice(shown, shown + pageLength).map(make);
    shown += next.length;
    list.append(...next);
    last.remove();
    if (shown < entries.length) {
      const rest = entries.length - shown;
      button.textContent = "Show " + Math.min(pageLength, rest) + " of " + thousands(rest) + " more";
      list.append(last);
    }
    return next[0];
  };
  button.addEventListener("click", () => {
    const first = more();
    first.querySelector("summary")?.focus();
  });
  more();
}
