// What a model is and takes, and while it loads how far that is. props.value = {text, note, done, total}.
const text = element.querySelector('.text'), note = element.querySelector('.note'), bar = element.querySelector('.bar'), fill = element.querySelector('.fill');
const draw = () => {
  const value = props.value || {}, total = Number(value.total) || 0, share = total ? Math.round(100 * value.done / total) : 0;
  text.textContent = String(value.text || ''); note.textContent = String(value.note || '');
  bar.classList.toggle('busy', total > 0); bar.setAttribute('aria-valuenow', share); fill.style.width = `${share}%`;
};
watch('value', draw);
draw();
