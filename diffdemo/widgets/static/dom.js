// Shared by all components (components.py puts it before each script): data becomes nodes through setAttribute and textContent only.
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
// No line ends between a number and its % or its "n =".
const unbroken = text => String(text || '').replace(/(\d) %/g, '$1\u00a0%').replace(/\bn = (?=\d)/g, 'n\u00a0=\u00a0');
// Words, small print and, while something works, how far it is: into .text, .note and .bar of a component.
const report = (element, value) => {
  const total = Number(value.total) || 0, share = total ? 100 * (Number(value.done) || 0) / total : 0, bar = element.querySelector('.bar');
  element.querySelector('.text').textContent = unbroken(value.text);
  element.querySelector('.note').textContent = unbroken(value.note);
  bar.classList.toggle('busy', total > 0);
  bar.setAttribute('aria-valuenow', Math.round(share));
  bar.querySelector('.fill').style.width = `${share}%`;
};
const picture = (src, alt, parent) => {
  const image = tag('img', '', parent);
  if (isPng(src)) image.src = src;
  image.alt = String(alt || '');
  return image;
};
