// The page's words: one JSON a language.

let words = {};
let language = "en";

export async function loadWords(wanted) {
  const answer = await fetch(new URL(`./${wanted}.json`, import.meta.url));
  words = await answer.json();
  language = wanted;
  document.documentElement.lang = wanted;
}

// The text of that name with {places} filled in. A name without a text is shown as it is, and seen in the tests.
export function t(name, places = {}) {
  return (words[name] ?? name).replace(/\{(\w+)\}/g, (whole, place) => places[place] ?? whole);
}

export const has = (name) => name in words;
export const currentLanguage = () => language;
// Formatters are dear to make and cheap to use.
const made = {};

function formatter(kind, style) {
  const key = `${kind.name} ${language} ${JSON.stringify(style)}`;
  return (made[key] ??= new kind(language, style));
}

export const number = (n) => formatter(Intl.NumberFormat, {}).format(n);
const time = (text, style) => (text ? formatter(Intl.DateTimeFormat, style).format(new Date(text)) : t("none"));
export const date = (text) => time(text, {dateStyle: "medium"});
export const dateTime = (text) => time(text, {dateStyle: "medium", timeStyle: "short"});
