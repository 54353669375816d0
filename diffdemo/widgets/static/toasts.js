// Before Gradio's own scripts, once a page: a message that is on the page already is not shown a second time. To leave a box and to press Run
// are two events, and both find the same mistake.
{
  const words = toast => toast.textContent.trim();
  const look = () => {
    const seen = new Set();
    [...document.querySelectorAll('.toast-body')].forEach(toast => {
      if (seen.has(words(toast))) toast.style.display = 'none'; else seen.add(words(toast));
    });
  };
  addEventListener('DOMContentLoaded', () => new MutationObserver(look).observe(document.body, {childList: true, subtree: true}));
}
