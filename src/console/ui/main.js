// Where a browser begins: the language, the header, and the module of this path.

import {byId, h, replace, button} from "./dom.js";
import {loadWords, t, currentLanguage} from "./text.js";
import {session, call, explain, Problem} from "./api.js";
import {whenMoved} from "./place.js";

const RELOAD_MS = 10000;
const LANGUAGE_NAMES = {en: "English", ko: "한국어"};
const PAGES = {"/users": "./users.js", "/permissions": "./permissions.js", "/me": "./me.js", "/signup": "./signup.js",
  "/login": "./login.js"};
const page = import(session.status === 401 ? "./login.js" : PAGES[location.pathname] || "./me.js");

function wantedLanguage() {
  const chosen = localStorage.getItem("kiops-language");
  return session.languages.includes(chosen) ? chosen : document.documentElement.lang;
}

const words = loadWords(wantedLanguage());

async function choose(language) {
  localStorage.setItem("kiops-language", language);
  await loadWords(language);
  await start();
}

function warn(text) {
  byId("alert").textContent = text;
  byId("alert").classList.toggle("hidden", !text);
}

async function signOut() {
  try {
    await call("POST", "/logout", {});
  } catch (error) {
    if (error.kind !== "session") {
      warn(explain(error));
      return;
    }
  }
  location.assign("/login");
}

function link(path, name) {
  return h("li", {}, h("a", {href: path, "aria-current": location.pathname === path && "page"}, t(name)));
}

function header() {
  const languages = h("select", {id: "language", "aria-label": t("language"), onchange: (event) => choose(event.target.value)},
    session.languages.map((one) => h("option", {value: one, lang: one, selected: one === currentLanguage()}, LANGUAGE_NAMES[one])));
  const manages = session.admin || session.manager;
  return [
    h("a", {class: "brand", href: session.user ? (manages ? "/users" : "/me") : "/login"}, "KIOPS"),
    session.user && h("nav", {"aria-label": t("pages")}, h("ul", {},
      manages && link("/users", "users.title"), manages && link("/permissions", "permissions.title"), link("/me", "me.title"))),
    h("div", {class: "aside"}, session.languages.length > 1 && languages,
      session.user && button(t("sign.out"), signOut, {id: "sign-out"})),
  ];
}

function refused() {
  return h("section", {class: "card", id: "refused"}, h("h1", {}, t("refused.title")), h("p", {}, t("refused.text")),
    h("p", {}, h("a", {href: "/me", class: "button primary"}, t("refused.way"))));
}

function failed(error, again) {
  return h("section", {class: "card", role: "alert", id: "failed"}, h("h1", {}, t("failed.title")), h("p", {}, explain(error)),
    h("div", {class: "buttons"}, button(t("try.again"), again, {class: "primary", id: "try-again"})));
}

// Who is signed out signs in on the page that comes then. Where that comes to nothing, it does not go round for ever.
function mayReload() {
  const last = Number(sessionStorage.getItem("kiops-reloaded"));
  sessionStorage.setItem("kiops-reloaded", Date.now());
  return Math.abs(Date.now() - last) > RELOAD_MS;
}

let turn = 0;

// One showing; a later one overtakes it. A page's `ask` is what it has to ask the bridge for, on its way while the words
// come; its `show` makes the content of that.
async function start() {
  const mine = (turn += 1);
  const main = byId("main");
  main.setAttribute("aria-busy", "true");
  const asked = session.status === 200 ? page.then((module) => module.ask?.()) : undefined;
  asked?.catch(() => {}); // it is told below
  await words;
  replace(byId("top"), header());
  byId("skip").textContent = t("skip");
  try {
    if (session.status === 503) throw new Problem("busy", "", {status: 503});
    const given = await asked;
    if (mine !== turn) return;
    const content = session.status === 403 ? refused() : await (await page).show(start, given);
    if (mine !== turn) return;
    replace(main, content);
    requestAnimationFrame(() => setTimeout(() => performance.mark("shown"))); // behind the paint: how long it took
  } catch (error) {
    if (mine !== turn) return;
    if (error.kind === "session" && location.pathname !== "/login" && mayReload()) return location.reload();
    replace(main, failed(error, session.status === 503 ? () => location.reload() : start));
  } finally {
    if (mine === turn) main.removeAttribute("aria-busy");
  }
  document.title = `${byId("main").querySelector("h1")?.textContent || "KIOPS"} · KIOPS`;
}

whenMoved(start);
addEventListener("offline", () => warn(t("offline")));
addEventListener("online", () => warn(""));
await start();
