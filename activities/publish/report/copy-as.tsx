import { latex, markdown } from './copy-text.ts';

/** Buttons that copy a table as text; a script shows them. */
export function CopyAs({
  id,
  what,
  table,
}: {
  id: string;
  what: string;
  table: Parameters<typeof latex>[0];
}) {
  return (
    <div class="tool copy" data-script="copy" hidden>
      <template id={`${id}-markdown`}>{markdown(table)}</template>
      <template id={`${id}-latex`}>{latex(table)}</template>
      <span>Copy {what} as</span>
      <button type="button" data-copy={`${id}-markdown`}>
        Markdown
      </button>
      <button type="button" data-copy={`${id}-latex`}>
        LaTeX
      </button>
      <output />
    </div>
  );
}
