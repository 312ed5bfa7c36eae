// The bridge as a client sees it: SCIM, sign-up and the audit list. Nothing is kept, nothing is sent twice by itself.

import {t, has} from "./text.js";

export const session = JSON.parse(document.querySelector('meta[name="kiops"]').content);

const SCHEMA = "urn:kiops:params:scim:schemas";
export const USER = `${SCHEMA}:extension:2.0:User`;
export const ORGANIZATION = `${SCHEMA}:extension:2.0:Organization`;
export const MEMBERSHIP = `${SCHEMA}:core:2.0:Membership`;
const REFUSAL = "urn:kiops:params:scim:api:messages:2.0:Refusal";

// `kind`: offline, session (over), busy (later), refused.
export class Problem extends Error {
  constructor(kind, detail, more = {}) {
    super(detail);
    Object.assign(this, {kind, ...more});
  }
}

function kindOf(status) {
  if (status === 401) return "session";
  return status === 503 || status === 429 ? "busy" : "refused";
}

export async function call(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method, cache: "no-store", credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body),
      headers: {Accept: "application/json", "X-Kiops-Csrf": session.csrf || "page",
        ...(method === "GET" ? {} : {"Content-Type": "application/json"}), ...headers},
    });
  } catch {
    throw new Problem("offline", t("offline"));
  }
  const text = await answer.text();
  let json = {};
  try { json = text ? JSON.parse(text) : {}; } catch { /* a proxy's own page */ }
  if (answer.ok) return json;
  const refusal = json[REFUSAL] || {};
  throw new Problem(kindOf(answer.status), json.detail || `HTTP ${answer.status}`, {status: answer.status, rule: refusal.rule,
    wait: Number(answer.headers.get("Retry-After")) || 0, id: answer.headers.get("X-Request-Id")});
}

// What went wrong in plain words: ours for a rule, else what the bridge says.
export function explain(error, places = {}) {
  if (!(error instanceof Problem)) {
    console.error(error);
    return t("broken");
  }
  if (error.kind === "session") return t("session.over");
  if (error.kind === "busy") return t(error.status === 429 ? "slow" : "busy", {seconds: error.wait || 5});
  if (error.kind === "offline") return t("offline");
  if (error.status === 412) return t("changed.meanwhile");
  if (error.status === 404) return t("gone");
  const name = `rule.${error.rule}`;
  return error.rule && has(name) ? `${t(name, places)} (${error.rule})` : error.message;
}

export const quote = (text) => JSON.stringify(text);

export const scim = {
  get: (path, query = {}) => {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
    return call("GET", `/scim/v2${path}?${new URLSearchParams(given)}`);
  },
  post: (path, body) => call("POST", `/scim/v2${path}`, body),
  patch: (path, operations, version) => call("PATCH", `/scim/v2${path}`,
    {schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], Operations: operations}, version ? {"If-Match": version} : {}),
  remove: (path) => call("DELETE", `/scim/v2${path}`),
};

export const me = () => scim.get("/Me");
