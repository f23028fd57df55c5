"""What the rules of axe-core call serious, as far as the browser itself can tell: names, headings, contrast, ids."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

# Roles whose elements a screen reader announces by their names.
NAMED = {
    "button",
    "checkbox",
    "combobox",
    "link",
    "listbox",
    "radio",
    "searchbox",
    "slider",
    "spinbutton",
    "switch",
    "tab",
    "textbox",
}
# Text whose colours are nearer to each other than WCAG 2.1 (1.4.3) allows: 4.5, or 3 for large text. Text over pictures
# and gradients, of disabled widgets and of plots (SVG) is left out, as axe leaves out what it cannot judge.
_CONTRAST = """() => {
  const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  canvas.canvas.width = canvas.canvas.height = 1;
  const known = new Map();
  const rgba = text => {
    if (!known.has(text)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(text, [r, g, b, a / 255]);
    }
    return known.get(text);
  };
  const over = (top, below, alpha) => top.slice(0, 3).map((v, k) => alpha * v + (1 - alpha) * below[k]);
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest("svg, script, style, noscript, [aria-hidden=true]")) continue;
    if (element.closest(":disabled, [disabled], [aria-disabled=true]")) continue;
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    const style = getComputedStyle(element);
    let layers = [], opacity = 1, judged = true;
    for (let e = element; e; e = e.parentElement) {
      const s = getComputedStyle(e);
      opacity *= s.opacity;
      // The number of a slider hangs outside of its small thumb.
      const r = e.getBoundingClientRect();
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      if (r.width * r.height < 1000 && (x < r.left || x > r.right || y < r.top || y > r.bottom)) continue;
      if (s.backgroundImage !== "none") judged = false;
      layers.push(rgba(s.backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    if (!judged) continue;
    let ground = [255, 255, 255];
    for (const layer of layers.reverse()) ground = over(layer, ground, layer[3]);
    const ink = rgba(style.color);
    const [high, low] = [luminance(over(ink, ground, ink[3] * opacity)), luminance(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    if (ink[3] > 0 && ratio < (large ? 3 : 4.5) - 0.005) {
      const text = node.textContent.trim().slice(0, 40);
      found.set(`${style.color} ${ground.map(Math.round)}`, `contrast ${ratio.toFixed(2)}: ${text}`);
    }
  }
  return [...found.values()];
}"""
_PICTURES = """() => [...document.querySelectorAll("img:not([alt]), [role=img]:not([aria-label], [aria-labelledby])")]
  .filter(e => !e.querySelector("title") && !e.closest("[aria-hidden=true]"))
  .map(e => `a picture without words: ${e.outerHTML.slice(0, 160)}`)"""
# Those that something refers to, or that take the focus: what plots draw inside of them has none of both.
_IDS = """() => {
  const refers = ["for", "aria-labelledby", "aria-describedby", "aria-controls"];
  const used = new Set(refers.flatMap(a => [...document.querySelectorAll(`[${a}]`)].flatMap(
    e => e.getAttribute(a).split(" "))));
  const ids = [...document.querySelectorAll("[id]")].filter(e => e.tabIndex >= 0 || used.has(e.id)).map(e => e.id);
  return [...new Set(ids.filter((id, k) => ids.indexOf(id) !== k))];
}"""
# Shifts since the page showed something, with no hand on it, summed in windows as web-vitals does: the largest window.
_SHIFT = """() => new Promise(done => {
  const shown = performance.getEntriesByName("first-contentful-paint")[0].startTime;
  let worst = 0, sum = 0, first = -1e9, last = -1e9;
  new PerformanceObserver(list => {
    for (const e of list.getEntries()) {
      if (e.hadRecentInput || e.startTime <= shown) continue;
      if (e.startTime - last > 1000 || e.startTime - first > 5000) [sum, first] = [0, e.startTime];
      last = e.startTime;
      worst = Math.max(worst, sum += e.value);
    }
    done(worst);
  }).observe({type: "layout-shift", buffered: true});
  setTimeout(() => done(worst), 200);
})"""


def violations(page: Page) -> list[str]:
    """One line for each thing that keeps somebody from using a page; empty where there is none."""
    found = [] if page.evaluate("document.documentElement.lang") else ["the page does not say its language"]
    if not page.title():
        found.append("the page has no title")
    found += [f"two elements have the id {name}" for name in page.evaluate(_IDS)]
    found += page.evaluate(_PICTURES) + page.evaluate(_CONTRAST)
    session = page.context.new_cdp_session(page)
    nodes = [n for n in session.send("Accessibility.getFullAXTree")["nodes"] if not n["ignored"]]
    level = 0
    for node in nodes:
        role, name = node["role"]["value"], str(node.get("name", {}).get("value", ""))
        if role == "heading":
            now = next(int(p["value"]["value"]) for p in node["properties"] if p["name"] == "level")
            if now > level + 1:
                found.append(f"after a heading of level {level} one of level {now}: {name}")
            level = now
        if role in NAMED and not name.strip():
            found.append(f"a {role} without a name: {_html(session, node)}")
    session.detach()
    return found


def layout_shift(page: Page) -> float:
    """Cumulative layout shift since the page was loaded."""
    return float(page.evaluate(_SHIFT))


def _html(session: Any, node: dict[str, Any]) -> str:
    there = session.send("DOM.resolveNode", {"backendNodeId": node["backendDOMNodeId"]})["object"]
    call = {"objectId": there["objectId"], "functionDeclaration": "function () { return this.outerHTML }"}
    return str(session.send("Runtime.callFunctionOn", {**call, "returnByValue": True})["result"]["value"])[:160]
