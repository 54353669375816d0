// One sentence about the link or picture that was opened, and the word to run it. props.value = {text, run}; a new `run` triggers 'select'.
const line = element.querySelector('.notice');
let last = '';
const draw = () => {
  const value = props.value || {};
  line.textContent = String(value.text || '');
  if (value.run && value.run !== last) { last = value.run; trigger('select', {index: 0, value: null}); }
};
watch('value', draw);
draw();
