// Before Gradio's own scripts, once a page: the number box of a slider passes on what was typed. Gradio (6.31) moves a number beyond the slider's
// bounds back to them as the box is left, so that 100 seeds ran as 64 without a word. Here that is left out, and the server says in one sentence
// what a field takes. Whatever listens to the slider hears of the number all the same, as after a press of the mouse.
addEventListener('blur', event => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || box.dataset.testid !== 'number-input') return;
  const number = box.value === '' ? NaN : Number(box.value);
  if (number >= Number(box.min) && number <= Number(box.max)) return;
  event.stopImmediatePropagation();
  box.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
}, true);
