// When denials came: bars of all and of those that are chosen, and a brush.

function drawing(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  return node;
}

// barsOf is the path of bars of so many denials each, most of which is as high as height. What
// came is seen, however little it is.
function barsOf(sums, most, height) {
  let path = "";
  sums.forEach((n, i) => {
    if (n > 0) {
      const h = Math.max(n / most * height, height / 24);
      path += `M${i + 0.1} ${height}v${-h}h0.8v${h}z`;
    }
  });
  return path;
}

// sparkline draws when an item or a group had denials.
function sparkline(sums) {
  const box = drawing("svg", {
    class: "spark", viewBox: `0 0 ${data.buckets || 1} 16`, preserveAspectRatio: "none", "aria-hidden": "true",
  });
  box.append(drawing("path", { d: barsOf(sums, Math.max(...sums, 1), 16) }));
  return box;
}

// timeline makes the chart. It calls changed once the reader has chosen a time, and returns a
// function that draws the denials that are chosen.
function timeline(choice, changed) {
  const all = items.reduce(addTimes, noTimes());
  const most = Math.max(...all, 1);
  const chart = drawing("svg", { viewBox: `0 0 ${data.buckets} 100`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const bars = drawing("path", { class: "bars" });
  const brush = drawing("rect", { class: "brush", y: 0, height: 100 });
  chart.append(brush, drawing("path", { class: "bars all", d: barsOf(all, most, 100) }), bars);
  const from = bound("From", () => setWindow(Number(from.value), Math.max(Number(from.value), choice.to)));
  const to = bound("Until", () => setWindow(Math.min(choice.from, Number(to.value)), Number(to.value)));
  const readout = element("output", {});
  const whole = element("button", { type: "button" }, "Whole time");
  whole.addEventListener("click", () => setWindow(0, data.buckets - 1));

  function setWindow(first, last) {
    choice.from = first;
    choice.to = last;
    changed();
  }

  followPointer(chart, setWindow);
  document.getElementById("timeline").append(
    element("figure", {}, chart, element("figcaption", {}, readout, whole),
      element("div", { class: "bounds" }, labelled("From", from), labelled("Until", to))));

  return (sums) => {
    bars.setAttribute("d", barsOf(sums, most, 100));
    brush.setAttribute("x", choice.from);
    brush.setAttribute("width", choice.to - choice.from + 1);
    brush.classList.toggle("on", choice.windowed);
    whole.hidden = !choice.windowed;
    from.value = choice.from;
    to.value = choice.to;
    const [start, end] = secondsOf(choice);
    from.setAttribute("aria-valuetext", timeAt(start));
    to.setAttribute("aria-valuetext", timeAt(end));
    readout.textContent = timespan(start, end) + " UTC; a bar is " + durationOf(data.seconds);
  };
}

// bound makes a slider over the buckets, which the keyboard moves.
function bound(name, moved) {
  const slider = element("input", { type: "range", min: 0, max: data.buckets - 1, step: 1, "aria-label": name });
  slider.addEventListener("input", moved);
  return slider;
}

// labelled puts a label before a control.
const labelled = (label, control) => element("label", {}, element("span", {}, label), control);

// followPointer has a drag over the chart choose buckets, and a click all.
function followPointer(chart, setWindow) {
  const bucketAt = (event) => {
    const box = chart.getBoundingClientRect();
    const at = Math.floor((event.clientX - box.left) / box.width * data.buckets);
    return Math.min(Math.max(at, 0), data.buckets - 1);
  };
  let start = null;
  let moved = false;
  chart.addEventListener("pointerdown", (event) => {
    start = bucketAt(event);
    moved = false;
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    if (start === null) {
      return;
    }
    const now = bucketAt(event);
    moved ||= now !== start;
    if (moved) {
      setWindow(Math.min(start, now), Math.max(start, now));
    }
  });
  chart.addEventListener("pointerup", () => {
    if (start !== null && !moved) {
      setWindow(0, data.buckets - 1);
    }
    start = null;
  });
}

// durationOf words a number of seconds.
function durationOf(seconds) {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= length) {
      return counted(Math.round(seconds / length), unit);
    }
  }
  return counted(seconds, "second");
}
