// Files out: props.value = {name, mime, data (base64)} is handed to the browser to keep. Files in: a picture dropped anywhere on the page
// triggers 'select' with its content in base64.
const LARGEST = 8e6, veil = element.querySelector('.veil');

const keep = () => {
  const value = props.value;
  if (!value || typeof value.data !== 'string') return;
  const bytes = Uint8Array.from(atob(value.data), letter => letter.charCodeAt(0));
  const anchor = document.createElement('a');
  anchor.href = URL.createObjectURL(new Blob([bytes], {type: String(value.mime)}));
  anchor.download = String(value.name);
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 30000);
};
watch('value', keep);

const carries = event => event.dataTransfer && [...event.dataTransfer.types].includes('Files') && !event.target.closest('#upload');
const cover = on => veil.classList.toggle('shown', on);
document.addEventListener('dragover', event => { if (carries(event)) { event.preventDefault(); cover(true); } });
document.addEventListener('dragleave', event => { if (!event.relatedTarget) cover(false); });
document.addEventListener('drop', event => {
  cover(false);
  if (!carries(event)) return;
  event.preventDefault();
  const file = event.dataTransfer.files[0];
  if (!file) return;
  const reader = new FileReader();
  reader.onload = () => trigger('select', {index: 0, value: String(reader.result).split(',')[1] || ''});
  if (file.size > LARGEST) trigger('select', {index: 0, value: null}); else reader.readAsDataURL(file);
});
