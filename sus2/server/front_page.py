"""The page that loads streamlit's front end, with what makes the first plot of a visit come sooner.

Two things, and four more: on phones, where the menu covers the page, it closes once something in it is chosen; our own
style is there from the start, so that nothing moves when the page has come; the menu's lists and wide formulas get what
screen readers and keys need; and the bar of lessons shows the one that is open.
Streamlit's front end does not know where its server is: at `/eos` it asks `/eos/_stcore/health`, is refused, and asks
`/_stcore/health` some time later; here the page says where its own scripts lie, which is there. And the script that
draws plots, the largest of all, is asked for only when the first plot arrives; here the browser fetches and compiles
it while it waits for the server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sus2.server.headers import Application, Message, Receive, Scope, Send

_SERVER: Final = '<script>window.__streamlit = {BACKEND_BASE_URL: new URL(".", location.href).href}</script>'
# What is chosen in the menu, a page, a crystal or a model, changes the address.
_MENU: Final = """<script>(() => {
  const chosen = () => {
    const query = new URLSearchParams(location.search);
    return [location.pathname, query.get("crystal"), query.get("model")].join(" ");
  };
  let before = chosen();
  const look = () => {
    if (chosen() === before) return;
    before = chosen();
    const open = document.querySelector("[data-testid=stSidebar][data-collapsed=false]");
    if (innerWidth < 768) open?.querySelector("[data-testid=stSidebarCollapseButton] button")?.click();
  };
  for (const name of ["pushState", "replaceState"]) {
    const own = history[name];
    history[name] = function (...given) { const done = own.apply(this, given); look(); return done; };
  }
})()</script>"""
# The menu's sections stand between its list and their items, which makes no list to a screen reader; and a formula that
# is wider than a phone is to be moved with keys, too.
_ROLES: Final = """<script>new MutationObserver(() => {
  const menu = "[data-testid=stSidebarNavItems]";
  for (const e of document.querySelectorAll(`${menu}:not([role]), ${menu} li:not([role])`))
    e.setAttribute("role", e.tagName === "LI" ? "none" : "group");
  for (const e of document.querySelectorAll(".katex-display:not([tabindex])")) e.tabIndex = 0;
}).observe(document, {childList: true, subtree: true})</script>"""
# The bar of lessons is wider than a phone: the open one is moved into sight, once for each choice and each width.
_LESSON: Final = """<script>(() => {
  let before, wide;
  new MutationObserver(() => {
    const one = document.querySelector(".st-key-lesson [role=radio][aria-checked=true]");
    const bar = one?.closest("[role=radiogroup]");
    if (!bar || (one === before && bar.scrollWidth === wide)) return;
    [before, wide] = [one, bar.scrollWidth];
    const a = bar.getBoundingClientRect(), b = one.getBoundingClientRect();
    bar.scrollLeft += (b.left + b.right - a.left - a.right) / 2;
  }).observe(document, {childList: true, subtree: true, attributeFilter: ["aria-checked"]});
})()</script>"""
# Low screens leave less room above the first plot; phones have none for tool bars. "body" makes these rules stronger
# than those of the front end, which come later. Streamlit's captions are too pale to be read by everybody, as is white
# on the light blue of the dark theme.
STYLE: Final = """<style>
body [data-testid="stMainBlockContainer"] {padding-top: 3rem; max-width: 1200px;}
body [data-testid="stSidebarHeader"] {height: 2.2rem; margin-bottom: 0;}
body [data-testid="stMainBlockContainer"] h2 {font-size: 1.5rem; padding: .5rem 0;}
body button[kind="primary"], body [data-testid="stMultiSelectTagsContainer"] [title] {
  color: light-dark(#FFFFFF, #11161C);}
body .st-key-gallery_samples {flex-wrap: nowrap; overflow-x: auto; gap: .35rem; padding: .15rem .1rem .5rem;
  scrollbar-width: thin; height: 6.6rem;}
body .st-key-gallery_samples button {width: 6.4rem; height: 5.8rem; padding: 44px .2rem .2rem; align-items: flex-start;
  background-repeat: no-repeat; background-position: center 4px; background-size: 40px;}
body .st-key-gallery_samples > * {min-width: 6.4rem; min-height: 5.8rem;}
body .st-key-choose {min-height: 9.95rem;}
body .st-key-gallery_samples button p {font-size: .8rem; line-height: 1.15; white-space: normal;
  overflow-wrap: anywhere;}
body [data-testid="stLayoutWrapper"]:has(> .st-key-overview_progress) {position: sticky; bottom: 0; z-index: 5;
  background: Canvas;}
body [data-testid="stSidebarContent"]:not(:has([data-testid="stSidebarNav"])) [data-testid="stSidebarUserContent"] {
  visibility: hidden;}
body [class*="st-key-room_160"] {min-height: 160px;}
body [class*="st-key-room_400"] {min-height: 400px;}
body [class*="st-key-room_480"] {min-height: 480px;}
body .st-key-lesson_body {min-height: 27rem;}
body :is(.st-key-batch_properties, .st-key-batch_potential) {min-height: 3.75rem;}
body .st-key-lesson_plot {min-height: 430px;}
body :is(.st-key-lesson_body, .st-key-lesson_plot, [class*="st-key-room_"]) >
  [data-testid="stElementContainer"]:first-child {height: 0; overflow: hidden;}
body .st-key-pick_l4_crystal {min-width: 22.5rem;}
body :is(.st-key-lesson, [class*="st-key-pick_"]) {min-height: 2.5rem;}
body:not(:has(.st-key-lesson_body .js-plotly-plot))
  [data-testid="stLayoutWrapper"]:has(> .st-key-lesson_foot) {position: sticky; bottom: 0; z-index: 5;
  background: Canvas;}
body .st-key-l2_formulas {min-height: 5.5rem;}
body [class*="st-key-batch_upload"], body .st-key-screen_upload {min-height: 6.2rem;}
body [data-testid="stMultiSelect"] input[type="text"], body [data-testid="stMultiSelect"] input::placeholder {
  color: light-dark(#1B2530, #E6EBF0);}
body .answers {display: flex; flex-wrap: wrap; align-items: center; gap: .1rem .8rem; min-height: 2.6rem;
  line-height: 1.35;}
body .st-key-header, body .st-key-header_judged {min-height: 2.6rem;}
body .answers .formula {font-size: 1.15rem; font-weight: 600;}
body .answers > i {display: none;}
body .answers .verdict:empty {display: none;}
body [data-testid="stCaptionContainer"] {color: inherit; opacity: .75;}
@media (max-width: 640px), (max-height: 800px) {
  body [data-testid="stMainBlockContainer"] {padding-top: 2.4rem;}
  body [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] {gap: .6rem;}
  body [data-testid="stMainBlockContainer"] h1 {font-size: 1.7rem; padding: .3rem 0;}
  body :is(.st-key-lesson, [class*="st-key-pick_"]) [role="radiogroup"] {flex-wrap: nowrap; overflow-x: auto;
    scrollbar-width: thin;}
  body :is(.st-key-lesson, [class*="st-key-pick_"]) [role="radiogroup"] > * {flex: none;}
}
@media (max-width: 640px) {
  body [data-testid="stMainBlockContainer"] {padding: 3.8rem .8rem 2rem;}
  body .st-key-header {min-height: 4.1rem;}
  body .st-key-header_judged {min-height: 5.5rem;}
  body .answers > i, body .answers .verdict {display: block; flex-basis: 100%;}
  body .modebar-container {display: none;}
  body [class*="st-key-wide_"] {overflow-x: auto;}
  body [class*="st-key-wide_2"] > * {min-width: 560px;}
  body [class*="st-key-wide_3"] > * {min-width: 800px;}
  body .st-key-l4_choices {min-height: 6rem;}
  body .st-key-batch_properties {min-height: 8.25rem;}
  body .st-key-pick_l4_crystal {min-width: 100%;}
  body .st-key-lesson_body {min-height: 32rem;}
  body .st-key-l2_formulas {min-height: 18rem;}
  body [class*="st-key-drop_box"] {min-height: 5rem;}
  body .st-key-choose [data-testid="stHorizontalBlock"] {row-gap: .4rem;}
  body .st-key-choose [data-testid="stVerticalBlock"] {gap: .5rem;}
  body .st-key-choose [data-testid="stFileUploaderDropzone"] {padding: .5rem; min-height: 0;}
  body [data-testid="stMain"] [data-testid="stFileUploaderDropzone"] {flex-direction: row; align-items: center;}
}
</style>"""
# Small parts that most pages have: fetched when they are first met, each would push down what is below it.
_WIDGETS: Final = (
    "Button",
    "ButtonGroup",
    "Checkbox",
    "FileUploader",
    "Html",
    "Multiselect",
    "NumberInput",
    "Selectbox",
    "Slider",
)
_EARLY: Final = ("PlotlyChart", *_WIDGETS, "TextInput")
_CONDITIONS: Final = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since", b"range"})
_OF_THE_GIVEN: Final = frozenset({b"content-length", b"etag", b"last-modified"})


def prepared(front_page: str, static: Path) -> str:
    """The front page with our additions; static: the folder of the front end."""
    scripts = [path for name in _EARLY for path in sorted((static / "static" / "js").glob(f"{name}.*.js"))]
    links = "".join(f'<link rel="modulepreload" crossorigin href="./static/js/{path.name}">' for path in scripts)
    # Ours comes before the scripts that look for it, and before the first thing that is drawn.
    return front_page.replace("</title>", f"</title>{_SERVER}{_MENU}{_ROLES}{_LESSON}{STYLE}", 1).replace(
        "</head>", f"{links}</head>", 1
    )


class FrontPage:
    """Gives `page` in place of `given` to whoever asks for a page."""

    def __init__(self, app: Application, given: str, page: str) -> None:
        self._app, self._given, self._page = app, given.encode(), page.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = dict(scope["headers"]) if scope["type"] == "http" and scope["method"] == "GET" else {}
        if b"text/html" not in asked.get(b"accept", b""):
            await self._app(scope, receive, send)
            return
        # The page as it is, whole: not compressed, and not "unchanged" since another release of ours.
        headers = [h for h in scope["headers"] if h[0] not in _CONDITIONS]
        held: list[Message] = []

        async def replaced(message: Message) -> None:
            if message["type"] == "http.response.start" and self._length(message) == len(self._given):
                held.append(message)
            elif not held:
                await send(message)
            else:
                held.append(message)
                if not message.get("more_body"):
                    await self._send(held, send)

        await self._app({**scope, "headers": headers}, receive, replaced)

    def _length(self, start: Message) -> int:
        return next((int(v) for k, v in start.get("headers", ()) if k.lower() == b"content-length"), -1)

    async def _send(self, held: list[Message], send: Send) -> None:
        start, *parts = held
        body = b"".join(part.get("body", b"") for part in parts)
        if body == self._given:
            body = self._page
            kept = [h for h in start["headers"] if h[0].lower() not in _OF_THE_GIVEN]
            start["headers"] = [*kept, (b"content-length", str(len(body)).encode())]
        await send(start)
        await send({"type": "http.response.body", "body": body})
