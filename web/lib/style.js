/** The style of the panel. It uses ComfyUI's colours, light or dark, or defaults outside ComfyUI. */

/** Colours of paths. Their contrast is at least 3 on light and on dark backgrounds. */
export const COLOURS = [
  "#3d84f7",
  "#e8690b",
  "#2fa35a",
  "#c04fd8",
  "#b8860b",
  "#0d9fb5",
  "#ec4b83",
  "#8a8f98",
];

export const STYLE = `
  :host { display: block; box-sizing: border-box; color: var(--fs-text); font: 12px/1.35 system-ui, sans-serif;
    --fs-text: var(--input-text, #ddd); --fs-dim: var(--descrip-text, #999);
    --fs-line: var(--border-color, #4e4e4e); --fs-box: var(--comfy-input-bg, #222); }
  [hidden] { display: none !important; }
  button { font: inherit; color: inherit; background: var(--fs-box); border: 1px solid var(--fs-line);
    border-radius: 6px; cursor: pointer; }
  button:disabled { opacity: .45; cursor: default; }
  :focus-visible { outline: 2px solid ${COLOURS[0]}; outline-offset: 1px; }
  svg { display: block; width: 100%; height: 100%; overflow: hidden; }
  text { font: 10px system-ui, sans-serif; fill: var(--fs-dim); }
`;

export const PANEL_STYLE = `
  ${STYLE}
  :host { display: flex; flex-direction: column; gap: 6px; height: 100%; min-width: 0; padding: 2px 4px 4px;
    overflow: hidden; user-select: text; }
  header { display: flex; align-items: center; gap: 6px; min-height: 26px; }
  header .state { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .figures { flex: none; margin: 0; display: flex; flex-wrap: wrap; gap: 0 8px; justify-content: space-between;
    white-space: nowrap; color: var(--fs-dim); font-variant-numeric: tabular-nums; }
  header select { font: inherit; color: inherit; background: var(--fs-box); border: 1px solid var(--fs-line);
    border-radius: 6px; max-width: 90px; }
  header button { padding: 3px 8px; white-space: nowrap; }
  .replay[aria-pressed=true] { border-color: ${COLOURS[0]}; box-shadow: inset 0 0 0 1px ${COLOURS[0]}; }
  .stop:not(:disabled) { background: #b3261e; border-color: #b3261e; color: #fff; }
  progress { width: 100%; height: 3px; border: 0; border-radius: 2px; flex: none; appearance: none;
    background: var(--fs-box); accent-color: ${COLOURS[0]}; }
  progress::-webkit-progress-bar { background: var(--fs-box); }
  progress::-webkit-progress-value { background: ${COLOURS[0]}; }
  progress::-moz-progress-bar { background: ${COLOURS[0]}; }
  .workers { flex: none; margin: 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: 2px 6px; max-height: 3.6em;
    overflow: auto; font-size: 11px; color: var(--fs-dim); font-variant-numeric: tabular-nums; }
  .workers li + li { border: 1px solid var(--fs-line); border-radius: 6px; padding: 0 5px; }
  .workers li.bad { border-color: #b3261e; color: var(--fs-text); }
  .note { flex: 0 1 auto; margin: 0; min-height: 2.7em; max-height: 9.5em; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
  .note a { color: inherit; }
  .best { display: flex; gap: 8px; flex: none; min-height: 112px; position: relative; }
  .best .compare { position: absolute; left: 4px; top: 84px; padding: 2px 8px; font-size: 11px; }
  .best > button:first-child { width: 112px; height: 112px; flex: none; padding: 0; overflow: hidden; }
  .best img { width: 100%; height: 100%; object-fit: contain; display: block; }
  .best .none { color: var(--fs-dim); padding: 0 6px; display: block; }
  dl { margin: 0; flex: 1; min-width: 0; display: grid; grid-template-columns: minmax(0, 1fr) max-content; gap: 1px 8px;
    align-content: center; overflow: hidden; }
  dt { color: var(--fs-dim); }
  dt.item { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; overflow: hidden;
    text-overflow: ellipsis; white-space: nowrap; }
  dd.reward { font-size: 17px; font-weight: 600; display: flex; justify-content: flex-end; align-items: baseline;
    gap: 4px; width: 0; justify-self: end; overflow: visible; } /* it may reach into the column of its short name */
  dd.reward small { font-size: 11px; font-weight: 400; }
  h4 { margin: 0 0 2px; font: inherit; color: var(--fs-dim); display: flex; flex-wrap: wrap; gap: 0 6px;
    white-space: nowrap; }
  h4 span { flex: 1; }
  h4 i { font-style: normal; font-size: 11px; } h4 i::before { content: ""; display: inline-block; width: 8px; height: 8px;
    margin-right: 3px; border-radius: 2px; background: var(--key); }
  section { flex: none; min-width: 0; }
  section.film div { display: flex; align-items: center; justify-content: space-between; gap: 8px; }
  .sheet { padding: 1px 6px; font-size: 11px; white-space: nowrap; }
  section.chart { flex: 1 1 130px; min-height: 110px; display: flex; flex-direction: column; }
  flow-search-chart { flex: 1; min-height: 0; }
  flow-search-shares { height: 58px; }
  output { flex: none; min-height: 2.7em; max-height: 6.75em; overflow: auto; color: var(--fs-dim); }
  dialog { border: 1px solid var(--fs-line); border-radius: 8px; padding: 10px; background: var(--comfy-menu-bg, #222);
    color: var(--fs-text); max-width: 94vw; max-height: 94vh; }
  dialog::backdrop { background: rgb(0 0 0 / .6); }
  dialog img { display: block; max-width: 88vw; max-height: 80vh; min-width: min(384px, 80vw); object-fit: contain; }
  dialog ol { display: flex; flex-wrap: wrap; gap: 8px; margin: 0; padding: 2px; list-style: none; max-height: 80vh;
    max-width: 88vw; overflow: auto; justify-content: center; }
  dialog ol button { padding: 4px; font-size: 14px; font-variant-numeric: tabular-nums; }
  dialog ol img { width: min(256px, 40vw); min-width: 0; aspect-ratio: 1; margin-bottom: 4px; }
  dialog .compare { display: grid; position: relative; width: fit-content; margin: auto; --cut: 50%; }
  dialog .compare img { grid-area: 1 / 1; width: min(576px, 84vw, 76vh); min-width: 0; user-select: none; }
  dialog .compare .over { clip-path: inset(0 calc(100% - var(--cut)) 0 0); }
  dialog .compare::after { content: ""; position: absolute; inset: 0 auto 0 calc(var(--cut) - 1px); width: 2px;
    background: #fff; box-shadow: 0 0 3px #000; pointer-events: none; }
  dialog .compare::before { content: "↔"; position: absolute; z-index: 1; left: var(--cut); top: 50%; width: 26px;
    transform: translate(-50%, -50%); border-radius: 13px; background: #fff; color: #222; font: 16px/26px sans-serif;
    text-align: center; box-shadow: 0 0 3px #000; pointer-events: none; }
  dialog .compare:focus-within { outline: 2px solid ${COLOURS[0]}; outline-offset: 2px; }
  dialog .compare b { position: absolute; bottom: 6px; left: 6px; padding: 1px 6px; border-radius: 4px; font-weight: 400;
    background: rgb(0 0 0 / .65); color: #fff; pointer-events: none; }
  dialog .compare b::first-letter { text-transform: uppercase; }
  dialog .compare b + b { left: auto; right: 6px; }
  dialog .compare input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize;
    appearance: none; }
  dialog .compare input::-webkit-slider-thumb { appearance: none; width: 2px; height: 100%; }
  dialog .compare input::-moz-range-thumb { width: 2px; height: 100%; border: 0; }
  dialog footer { display: flex; gap: 10px; align-items: center; justify-content: space-between; margin-top: 8px; }
  dialog a { color: inherit; } dialog button { padding: 4px 12px; }
`;
