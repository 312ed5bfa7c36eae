// What is changed about people, each in a dialog of its own.

import {h, ask, field, say} from "./dom.js";
import {t} from "./text.js";
import {Problem, session, scim, explain, quote, MEMBERSHIP} from "./api.js";
import {PERMISSIONS, ROLES, nameOf} from "./members.js";
import {finder} from "./users.js";

export const whoIs = (one) => ({name: nameOf(one), organization: one.organization.display});

// ---- memberships

export async function changeRole(one, again) {
  const offered = session.admin ? ROLES : ["Member"];
  const choice = (role) => h("label", {class: "choice"},
    h("input", {type: "radio", name: "role", value: role, checked: role === one.role || offered.length === 1, required: true, id: `choice-${role}`}),
    h("span", {}, h("strong", {}, role), h("span", {class: "hint"}, t(`role.${role}`))));
  const done = await ask({
    title: t("role.title", whoIs(one)), action: t("save"), cancel: t("cancel"), explain: (error) => explain(error, whoIs(one)),
    content: [h("p", {}, t("role.now", {...whoIs(one), role: one.role})),
      h("fieldset", {}, h("legend", {}, t("role.new")), offered.map(choice)), !session.admin && h("p", {class: "hint"}, t("role.only"))],
    save: async (form) => {
      if (form.get("role") !== one.role) await scim.patch(`/Memberships/${one.id}`, [{op: "replace", path: "role", value: form.get("role")}]);
    }});
  if (!done) return;
  await again();
  say(t("role.done", whoIs(one)));
}

export async function changePermissions(one, again) {
  const held = one.permissions || [];
  const done = await ask({
    title: t("permissions.of", whoIs(one)), action: t("save"), cancel: t("cancel"), explain: (error) => explain(error, whoIs(one)),
    content: h("fieldset", {class: "switches"}, h("legend", {}, t("column.permissions")), PERMISSIONS.map((name) => h("label", {class: "choice"},
      h("input", {type: "checkbox", role: "switch", name: "permission", value: name, checked: held.includes(name), id: `switch-${name}`}),
      h("span", {}, h("strong", {}, name), h("span", {class: "hint"}, t(`permission.${name}`)))))),
    save: (form) => setPermissions(one, form.getAll("permission"))});
  if (!done) return;
  await again();
  say(t("permissions.done", whoIs(one)));
}

// Only what differs from what was shown: what another one changed meanwhile stays.
export async function setPermissions(one, wanted) {
  const held = one.permissions || [];
  const more = wanted.filter((name) => !held.includes(name));
  const less = held.filter((name) => !wanted.includes(name));
  const operations = [...less.map((name) => ({op: "remove", path: `permissions[value eq ${quote(name)}]`})),
    ...(more.length ? [{op: "add", path: "permissions", value: more}] : [])];
  if (operations.length) await scim.patch(`/Memberships/${one.id}`, operations);
}

export async function removeMember(one, again) {
  const done = await ask({
    title: t("remove.title", whoIs(one)), action: t("remove"), cancel: t("cancel"), danger: true,
    content: [h("p", {}, t("remove.text", whoIs(one))), h("p", {}, t("remove.others"))],
    save: () => scim.remove(`/Memberships/${one.id}`), explain: (error) => explain(error, whoIs(one))});
  if (!done) return;
  await again();
  say(t("remove.done", whoIs(one)));
}

async function findPeople(text) {
  const q = quote(text);
  const found = await scim.get("/Users", {attributes: "userName,displayName,emails", sortBy: "userName", count: 10,
    filter: text && `userName co ${q} or displayName co ${q} or emails.value co ${q}`});
  return (found.Resources || []).map((one) => ({id: one.id, name: one.displayName || one.userName, more: one.emails?.[0]?.value || one.userName}));
}

export async function addMember(organization, again) {
  let chosen = null;
  const done = await ask({
    title: t("add.title", {organization: organization.name}), action: t("add.member"), cancel: t("cancel"), explain,
    content: [h("p", {}, t("add.text")), finder({id: "person", label: t("add.person"), find: findPeople, take: (one) => { chosen = one; }})],
    save: async () => {
      if (!chosen) throw new Problem("refused", t("find.first"));
      await scim.post("/Memberships", {schemas: [MEMBERSHIP], organization: {value: organization.id}, user: {value: chosen.id}});
    }});
  if (!done) return;
  await again();
  say(t("add.done", {name: chosen.name, organization: organization.name}));
}

// ---- people

const FIELDS = [["displayName", "text"], ["givenName", "text"], ["familyName", "text"], ["email", "email"]];

function inputs(values) {
  return FIELDS.map(([name, type]) => field(t(`field.${name}`), h("input", {id: `field-${name}`, name, type, value: values[name] || "", maxlength: 200, autocomplete: "off"})));
}

const mailOf = (user) => (user.emails?.find((one) => one.primary) || user.emails?.[0])?.value;

function changesOf(form, user) {
  const before = {displayName: user.displayName, givenName: user.name?.givenName, familyName: user.name?.familyName, email: mailOf(user)};
  const paths = {displayName: "displayName", givenName: "name.givenName", familyName: "name.familyName"};
  const operations = [];
  for (const [name] of FIELDS) {
    const value = form.get(name).trim();
    if (value === (before[name] || "")) continue;
    if (name === "email") {
      const rest = (user.emails || []).filter((one) => one.value !== before.email).map((one) => ({...one, primary: undefined}));
      operations.push({op: "replace", path: "emails", value: value ? [{value, type: "work", primary: true}, ...rest] : rest});
    } else {
      operations.push(value ? {op: "replace", path: paths[name], value} : {op: "remove", path: paths[name]});
    }
  }
  if (user.id !== session.user && (form.get("active") === "on") !== user.active) operations.push({op: "replace", path: "active", value: form.get("active") === "on"});
  return operations;
}

export async function editProfile(id, again) {
  const user = await scim.get(`/Users/${id}`);
  const own = id === session.user;
  const name = user.displayName || user.userName;
  const done = await ask({
    title: t("profile.title", {name}), action: t("save"), cancel: t("cancel"), explain: (error) => explain(error, {name, organization: ""}),
    content: [h("p", {class: "hint"}, `${t("field.userName")}: ${user.userName}`),
      inputs({displayName: user.displayName, givenName: user.name?.givenName, familyName: user.name?.familyName, email: mailOf(user)}),
      h("label", {class: "choice"}, h("input", {type: "checkbox", role: "switch", name: "active", checked: user.active, disabled: own, id: "field-active"}),
        h("span", {}, h("strong", {}, t("active")), h("span", {class: "hint"}, t(own ? "active.own" : "active.hint"))))],
    save: async (form) => {
      const operations = changesOf(form, user);
      if (operations.length) await scim.patch(`/Users/${id}`, operations, user.meta.version);
    }});
  if (!done) return;
  await again();
  say(t("profile.done", {name}));
}

export async function addUser(again) {
  let made;
  const done = await ask({
    title: t("user.add"), action: t("user.add"), cancel: t("cancel"), explain,
    content: [field(t("field.userName"), h("input", {id: "field-userName", name: "userName", required: true, maxlength: 100, autocomplete: "off", autocapitalize: "none"})),
      inputs({}), field(t("login.password"), h("input", {id: "field-password", name: "password", type: "password", autocomplete: "new-password", maxlength: 200}), t("user.password.hint"))],
    save: async (form) => {
      const text = (name) => form.get(name).trim() || undefined;
      made = await scim.post("/Users", {schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName: text("userName"), displayName: text("displayName"),
        name: {givenName: text("givenName"), familyName: text("familyName")}, emails: text("email") && [{value: text("email"), type: "work", primary: true}],
        password: form.get("password") || undefined});
    }});
  if (!done) return;
  await again();
  say(t("user.added", {name: made.displayName || made.userName}));
}
