// Where on the page: everything that chooses what is shown stands in the address, so that it can be sent to others.

const listeners = [];

export const place = () => Object.fromEntries(new URLSearchParams(location.search));

// This address with some parameters changed; undefined or "" takes one out.
export function address(changes, path = location.pathname) {
  const query = new URLSearchParams(path === location.pathname ? location.search : "");
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === "") query.delete(name);
    else query.set(name, value);
  }
  return query.size ? `${path}?${query}` : path;
}

export function go(changes, {quietly = false} = {}) {
  history[quietly ? "replaceState" : "pushState"](null, "", address(changes));
  listeners.forEach((listener) => listener());
}

// A link within this path: without loading the page again.
export function follow(event) {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", event.currentTarget.href);
  listeners.forEach((listener) => listener());
}

export function whenMoved(listener) {
  listeners.push(listener);
  addEventListener("popstate", listener);
}
