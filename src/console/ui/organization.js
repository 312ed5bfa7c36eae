// One organization's settings, and the record of what was changed in it.

import {h, button, byId, field, say} from "./dom.js";
import {t, dateTime, has} from "./text.js";
import {call, scim, explain, ORGANIZATION} from "./api.js";
import {address, follow} from "./place.js";

const back = () => h("p", {}, h("a", {href: address({view: undefined}), onclick: follow, id: "back"}, t("back")));

export function settings(organization, again) {
  const name = h("input", {id: "field-name", value: organization.name, required: true, maxlength: 200});
  const description = h("textarea", {id: "field-description", rows: 3, maxlength: 1000}, organization.description);
  const policy = h("select", {id: "field-policy"}, ["open", "closed"].map((one) => h("option", {value: one, selected: one === organization.policy}, t(`policy.${one}`))));
  const store = async (event) => {
    event.preventDefault();
    byId("settings-problem").textContent = "";
    const operations = [
      name.value.trim() !== organization.name && {op: "replace", path: "displayName", value: name.value.trim()},
      description.value !== organization.description && (description.value ? {op: "replace", path: `${ORGANIZATION}:description`, value: description.value} : {op: "remove", path: `${ORGANIZATION}:description`}),
      policy.value !== organization.policy && {op: "replace", path: `${ORGANIZATION}:joinPolicy`, value: policy.value},
    ].filter(Boolean);
    try {
      if (operations.length) await scim.patch(`/Groups/${organization.id}`, operations);
    } catch (error) {
      byId("settings-problem").textContent = explain(error, {organization: organization.name, name: ""});
      return;
    }
    await again();
    byId("settings-done").textContent = t("settings.done");
    say(t("settings.done"));
  };
  return [back(), h("section", {class: "card"}, h("h1", {}, `${t("settings.title")}: ${organization.name}`), h("form", {id: "settings-form", onsubmit: store},
    field(t("settings.name"), name), field(t("settings.description"), description), field(t("settings.policy"), policy, t("settings.policy.hint")),
    h("p", {class: "problem", role: "alert", id: "settings-problem"}), h("p", {class: "done", id: "settings-done"}),
    h("div", {class: "buttons"}, h("button", {type: "submit", class: "primary", id: "settings-save"}, t("save")))))];
}

function entry(one) {
  const name = `change.${one.change}`;
  return h("li", {}, h("time", {datetime: one.time}, dateTime(one.time)), " ",
    h("strong", {}, has(name) ? t(name) : one.change.replaceAll("_", " ")), one.permission && ` ${one.permission}`,
    h("span", {}, ` ${t("record.whom", {subject: one.subjectName || one.subject || t("none")})}`),
    h("span", {class: "hint"}, ` ${t("record.by", {actor: one.actorName || one.actor})}`), one.result !== "done" && h("span", {class: "state off"}, ` ${t(`result.${one.result}`)}${one.rule ? ` (${one.rule})` : ""}`));
}

export async function record(organization) {
  const list = h("ol", {class: "record", id: "record-list"});
  const none = h("p", {class: "empty", id: "empty"}, t("record.empty"));
  const problem = h("p", {class: "problem", role: "alert", id: "record-problem"});
  let before = "";
  const load = async () => {
    const found = await call("GET", `/ui/audit?organization=${encodeURIComponent(organization.id)}${before && `&before=${encodeURIComponent(before)}`}`);
    list.append(...found.records.map(entry));
    before = found.next || "";
    more.hidden = !before;
    none.hidden = before !== "" || list.children.length > 0;
  };
  const more = button(t("record.more"), async () => {
    problem.textContent = "";
    await load().catch((error) => { problem.textContent = explain(error); });
  }, {id: "record-more"});
  await load();
  return [back(), h("h1", {}, `${t("record.title")}: ${organization.name}`), h("p", {class: "hint"}, t("record.text")), list, none, problem, more];
}
