// Signing in; at /login, and in place of whatever needs it first.

import {h, field, byId} from "./dom.js";
import {t} from "./text.js";
import {session, call, explain} from "./api.js";

function target() {
  if (location.pathname !== "/login") return location.pathname + location.search;
  return "/users";
}

async function signIn(event) {
  event.preventDefault();
  const form = event.target;
  const alert = byId("login-alert");
  byId("login-go").disabled = true;
  form.setAttribute("aria-busy", "true");
  alert.textContent = "";
  try {
    await call("POST", "/login", {userName: form.userName.value, password: form.password.value});
    location.assign(target());
    if (location.pathname !== "/login") location.reload();
  } catch (error) {
    alert.textContent = error.kind === "session" ? t("login.wrong") : explain(error);
    form.password.value = "";
    form.password.focus();
    byId("login-go").disabled = false;
    form.removeAttribute("aria-busy");
  }
}

export async function show() {
  const next = encodeURIComponent(target());
  return h("section", {class: "card narrow"},
    h("h1", {}, t("login.title")),
    new URLSearchParams(location.search).has("failed") && h("p", {class: "problem", role: "alert"}, t("login.oidc.failed")),
    session.oidc && h("p", {}, h("a", {class: "button primary", id: "login-oidc", href: `/login?provider=1&next=${next}`}, t("login.oidc"))),
    session.oidc && h("p", {class: "or"}, t("login.or")),
    h("form", {id: "login", onsubmit: signIn},
      field(t("login.name"), h("input", {id: "userName", name: "userName", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false"})),
      field(t("login.password"), h("input", {id: "password", name: "password", type: "password", autocomplete: "current-password", required: true})),
      h("p", {class: "problem", id: "login-alert", role: "alert"}),
      h("div", {class: "buttons"}, h("button", {type: "submit", class: "primary", id: "login-go"}, t("login.go")))),
    session.signup && h("p", {}, h("a", {href: "/signup"}, t("login.signup"))));
}
