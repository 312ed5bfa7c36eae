// /signup: an account and a request in one step.

import {h, byId, field} from "./dom.js";
import {t} from "./text.js";
import {call, explain} from "./api.js";
import {finder} from "./users.js";

const FIELDS = [["userName", "text", "username"], ["givenName", "text", "given-name"], ["familyName", "text", "family-name"], ["email", "email", "email"], ["password", "password", "new-password"]];

async function find(text) {
  const found = await call("GET", `/signup/organizations?${new URLSearchParams({q: text})}`);
  return (found.Resources || found.organizations || []).map((one) => ({id: one.id, name: one.displayName, more: one.description}));
}

export async function show() {
  let chosen = null;
  const problem = h("p", {class: "problem", id: "signup-problem", role: "alert"});
  const send = async (event) => {
    event.preventDefault();
    const form = event.target;
    problem.textContent = chosen ? "" : t("signup.organization.missing");
    if (!chosen) return byId("signup-organization").focus();
    byId("signup-go").disabled = true;
    try {
      await call("POST", "/signup", {...Object.fromEntries(FIELDS.map(([name]) => [name, form.elements[name].value])), organization: chosen.id});
      form.replaceWith(h("div", {id: "signup-done", tabindex: "-1"}, h("p", {}, h("span", {class: "state wait"}, t("pending.state"))), h("p", {}, t("signup.done", {organization: chosen.name})),
        h("p", {}, h("a", {href: "/login"}, t("login.title")))));
      byId("signup-done").focus();
    } catch (error) {
      problem.textContent = explain(error);
      byId("signup-go").disabled = false;
    }
  };
  return h("section", {class: "card narrow"}, h("h1", {}, t("signup.title")), h("p", {}, t("signup.text")), h("form", {id: "signup", onsubmit: send},
    finder({id: "signup-organization", label: t("organization.find"), find, take: (one) => { chosen = one; }}),
    FIELDS.map(([name, type, autocomplete]) => field(t(name === "password" ? "login.password" : `field.${name}`),
      h("input", {id: name, name, type, autocomplete, required: true, minlength: type === "password" ? 8 : 1, maxlength: 200}), name === "password" && t("signup.password.hint"))),
    problem, h("div", {class: "buttons"}, h("button", {type: "submit", class: "primary", id: "signup-go"}, t("signup.go")))),
  h("p", {}, h("a", {href: "/login"}, t("signup.have"))));
}
