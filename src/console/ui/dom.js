// Elements, dialogs and what is said to screen readers. Text goes in as text nodes: nothing here makes markup of it.

export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

// Polite: what was done. The same text twice is said twice.
export function say(text) {
  const live = byId("live");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

// Puts new content in place of the old and leaves the focus on the element of the same id; where that one is gone, on
// `parent`, so that the keyboard does not begin anew at the top.
export function replace(parent, ...children) {
  const active = document.activeElement;
  const inside = parent.contains(active);
  const id = inside ? active.id : "";
  const caret = id && "selectionStart" in active ? active.selectionStart : null;
  parent.replaceChildren(...children.flat(Infinity).filter(Boolean));
  const again = id && byId(id);
  if (!again) return void (inside && parent.focus({preventScroll: true}));
  again.focus({preventScroll: true});
  if (caret !== null && again.type !== "email") again.setSelectionRange?.(caret, caret);
}

export function button(text, onclick, properties) {
  return h("button", {type: "button", onclick, ...properties}, text);
}

export function field(label, input, hint) {
  const hintId = hint && `${input.id}-hint`;
  if (hint) input.setAttribute("aria-describedby", hintId);
  return h("div", {class: "field"}, h("label", {for: input.id}, label), input, hint && h("p", {id: hintId, class: "hint"}, hint));
}

let dialogs = 0;

// A modal dialog around `content`. `save` (may be async) closes it when it does not throw; what it throws is shown by
// `explain(error)`. Resolves true when saved, and when that is known: closed meanwhile, it is waited for. The focus goes back
// to where it was.
export function ask({title, content, action, cancel, danger, save, explain}) {
  return new Promise((resolve) => {
    const number = (dialogs += 1);
    const before = document.activeElement;
    const alert = h("p", {class: "problem", role: "alert", id: `dialog-${number}-alert`});
    const go = action && h("button", {type: "submit", class: danger ? "danger" : "primary", id: "dialog-go"}, action);
    const form = h("form", {method: "dialog", novalidate: false},
      h("h2", {id: `dialog-${number}-title`}, title), content, alert,
      h("div", {class: "buttons"}, button(cancel, () => dialog.close(), {id: "dialog-cancel"}), go));
    const dialog = h("dialog", {"aria-labelledby": `dialog-${number}-title`}, form);
    let saved = Promise.resolve(false);
    const run = async () => {
      go.disabled = true;
      form.setAttribute("aria-busy", "true");
      alert.textContent = "";
      try {
        await save(new FormData(form));
        dialog.close();
        return true;
      } catch (error) {
        alert.textContent = explain(error);
        go.disabled = false;
        form.removeAttribute("aria-busy");
        return false;
      }
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      saved = run();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      const again = (before.id && byId(before.id)) || before;
      if (again.isConnected) again.focus();
      saved.then(resolve);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
