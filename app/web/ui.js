// Every element of the page that has an id, by that id in camelCase.

export const ui = Object.fromEntries([...document.querySelectorAll("[id]")].map(
  (element) => [element.id.replace(/-(.)/g, (_, letter) => letter.toUpperCase()), element]));

export function element(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}
