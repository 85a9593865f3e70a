/** The panel's page: our script and style, and a policy under which nothing else runs, loads or is sent. */

export interface PanelFiles {
  readonly script: string;
  readonly style: string;
  /** What the webview calls its own origin. */
  readonly cspSource: string;
  /** Fresh for every page. */
  readonly nonce: string;
}

export function panelHtml({ script, style, cspSource, nonce }: PanelFiles): string {
  // The toolkit's constructed style sheets need no permission. It makes one empty <style> to learn whether the browser
  // knows :focus-visible, and gives it the nonce of the "csp-nonce" element.
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${cspSource} 'nonce-${nonce}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="${policy}" />
    <meta property="csp-nonce" content="${nonce}" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Outrider</title>
    <link rel="stylesheet" href="${style}" />
  </head>
  <body>
    <div id="outrider"></div>
    <script nonce="${nonce}" src="${script}"></script>
  </body>
</html>
`;
}
