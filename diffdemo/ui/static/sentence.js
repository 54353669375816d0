// The result in one sentence and, while the network works, how far it is. props.value = {text, note, done, total, left}.
const text = element.querySelector('.text'), note = element.querySelector('.note');
const bar = element.querySelector('.bar'), fill = element.querySelector('.fill');
const draw = () => {
  const value = props.value || {}, total = Number(value.total) || 0, done = Number(value.done) || 0;
  text.textContent = String(value.text || '');
  note.textContent = String(value.note || '');
  bar.classList.toggle('busy', total > 0);
  bar.setAttribute('aria-valuenow', total ? Math.round(100 * done / total) : 0);
  fill.style.width = total ? `${100 * done / total}%` : '0';
};
watch('value', draw);
draw();
