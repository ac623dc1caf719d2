// "Copy as" buttons: each names the template that holds its text.
for (const tool of document.querySelectorAll('[data-script="copy"]')) {
  const said = tool.querySelector('output');
  tool.hidden = false;
  for (const button of tool.querySelectorAll('button')) {
    button.addEventListener('click', async () => {
      const text = document.getElementById(button.dataset.copy).content.textContent;
      const isCopied = await copy(text);
      said.textContent = isCopied ? `${button.textContent} copied` : 'The browser refused to copy';
    });
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages of plain http have no clipboard, but still the old way.
    return copySelected(text);
  }
}

function copySelected(text) {
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'hidden';
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  focused?.focus();
  return isCopied;
}
