// Elements of SVG. Text goes through textContent, as everywhere.

const SVG = "http://www.w3.org/2000/svg";

export function write(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  write(element, attributes);
  element.append(...children);
  return element;
}
