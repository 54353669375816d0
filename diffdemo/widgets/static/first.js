// Before Gradio's own scripts: its loading screen leaves a clock behind that ticks in every frame for as long as the page is open, a tenth of
// a core (seen in 6.31; without this file, tests/page/test_browser.py tells whether it still does). Nothing else here shows seconds that pass.
{
  const frame = window.requestAnimationFrame, clock = /performance\.now\(\)-[^;]*1e3/;
  window.requestAnimationFrame = step => (clock.test(String(step)) ? 0 : frame(step));
}
