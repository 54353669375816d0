// Shared by all components (ui/widgets.py puts it in front of each script): data becomes nodes through setAttribute and textContent only.
const NS = 'http://www.w3.org/2000/svg';
const isPng = s => typeof s === 'string' && /^data:image\/png;base64,[A-Za-z0-9+\/=]+$/.test(s);
const make = (name, attributes, parent, text) => {
  const node = document.createElementNS(NS, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = String(text);
  parent.append(node);
  return node;
};
const tag = (name, className, parent, text) => {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = String(text);
  parent.append(node);
  return node;
};
const picture = (src, alt, parent) => {
  const image = tag('img', '', parent);
  if (isPng(src)) image.src = src;
  image.alt = String(alt || '');
  return image;
};
