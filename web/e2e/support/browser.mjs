//! Headless Chromium, and pages of it that notice what a page without faults does not do.

import { accessSync, constants } from "node:fs";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const RESULTS = fileURLToPath(new URL("../../test-results/", import.meta.url));

/** Why no browser test can run here; `false` where one can. */
export function whyNoBrowser() {
  try {
    accessSync(CHROMIUM, constants.X_OK);
    return false;
  } catch {
    return `there is no browser at ${CHROMIUM}: install Chromium, or set CHROMIUM`;
  }
}

export async function launch(...more) {
  const args = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--font-render-hinting=none", ...more,
  ];
  return await chromium.launch({ executablePath: CHROMIUM, headless: true, args });
}

/** A page in a browser of its own, and what it complained of. Requests to a node that was killed fail, and that is no complaint. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  const lost = (text) => /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_ABORTED|ERR_EMPTY_RESPONSE|WebSocket connection to|ERR_FAILED/.test(text);
  const complain = (text) => lost(text) || complaints.push(text);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complain(message.text()));
  page.on("pageerror", (error) => complaints.push(`${error.stack ?? error}`));
  page.on("requestfailed", (request) => complain(`${request.url()} failed: ${request.failure()?.errorText}`));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.exposeFunction("complain", (complaint) => complaints.push(complaint));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
      globalThis.complain(`the policy forbids ${effectiveDirective} ${blockedURI}`);
    });
  });
  return { context, page, complaints };
}
