// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The hosted page in Chromium, and the shop to which a person goes back. plan.json says what there is.
import assert from "node:assert/strict";
import { createHash, createPublicKey, verify } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { lookAtTexts } from "./contrast.mjs";

const plan = JSON.parse(readFileSync(new URL("plan.json", import.meta.url)));
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--no-first-run"];
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
const SCHEMES = ["light", "dark"];
const STATES = ["transfer", "standing-order", "access", "hostile", "approved", "rejected", "expired", "unknown"];

let browser, shop;
const landed = []; // what came to the shop: URL objects

before(async () => {
  mkdirSync(plan.screenshots, { recursive: true });
  shop = createServer((request, response) => {
    landed.push(new URL(request.url, `http://127.0.0.1:${plan.landing}`));
    response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>Shop</title><link rel=icon href=data:,>");
  });
  await new Promise((resolve) => shop.listen(plan.landing, "127.0.0.1", resolve));
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
});

after(async () => {
  await browser.close();
  shop.closeAllConnections();
  shop.close();
});

const link = (name) => `${plan.origin}/app/request-token/${plan.requests[name]}`;

// Opens a page and hands it to `look`. Whatever the page asks for, and whatever the browser complains about, is
// checked at the end. `complaints`: the only ones that are expected.
async function visit(name, options, look, complaints = []) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: SIZES.desktop, ...options });
  const said = [], asked = [];
  const page = await context.newPage();
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  context.on("request", (request) => asked.push(new URL(request.url())));
  const response = await page.goto(link(name));
  await look(page, response);
  const own = new Set([plan.origin, `http://127.0.0.1:${plan.landing}`]);
  assert.deepEqual(asked.filter((url) => !own.has(url.origin)), [], "asks somebody else for something");
  assert.deepEqual(said.filter((text) => !complaints.some((pattern) => pattern.test(text))), [], "the browser complains");
  await context.close();
}

const STATUS_OF_PAGE = /Failed to load resource: the server responded with a status of (404|409|410|403)/;

// ---- deciding ------------------------------------------------------------------------------------------------

async function checkWayBack(page, name, approved) {
  assert.equal(new URL(page.url()).port, String(plan.landing));
  const parameters = new URL(page.url()).searchParams;
  assert.equal(parameters.get("order"), "7");
  assert.equal(parameters.get("request-id"), plan.requests[name]);
  assert.equal(parameters.get("state"), plan.state);
  assert.equal(parameters.has("token-id"), approved);
  assert.equal(parameters.get("error"), approved ? null : "access_denied");
  if (approved) await checkSignature(parameters);
}

// As the shop would: with the published key, and another library's Ed25519.
async function checkSignature(parameters) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const keys = (await (await context.request.get(`${plan.origin}/.well-known/jwks.json`)).json()).keys;
  await context.close();
  const { memberId, keyId, signature } = JSON.parse(parameters.get("signature"));
  const jwk = keys.find((key) => key.kid === keyId);
  const raw = Buffer.from(jwk.x, "base64url");
  assert.equal(keyId, createHash("sha256").update(raw).digest("base64url").slice(0, 16));
  assert.equal(memberId, plan.member);
  const key = createPublicKey({ key: jwk, format: "jwk" });
  const text = JSON.stringify({ state: plan.state, tokenId: parameters.get("token-id") });
  assert.equal(verify(null, Buffer.from(text), key, Buffer.from(signature, "base64url")), true);
  assert.equal(verify(null, Buffer.from(text + " "), key, Buffer.from(signature, "base64url")), false);
}

test("a person approves and lands at the shop with a signature that verifies", () =>
  visit("approve", {}, async (page) => {
    await page.getByRole("button", { name: "Approve" }).click();
    await checkWayBack(page, "approve", true);
  }));

test("a person rejects and lands at the shop with an error", () =>
  visit("reject", {}, async (page) => {
    await page.getByRole("button", { name: "Reject" }).click();
    await checkWayBack(page, "reject", false);
  }));

test("the shop does not learn the link", () => {
  assert.ok(landed.length >= 2);
});

test("the page works without JavaScript", () =>
  visit("plain", { javaScriptEnabled: false, viewport: SIZES.phone }, async (page) => {
    await page.getByRole("button", { name: "Approve" }).click();
    await checkWayBack(page, "plain", true);
  }));

test("the keyboard alone is enough, and shows where it is", () =>
  visit("keyboard", {}, async (page) => {
    const reached = [];
    for (let i = 0; i < 2; i++) {
      await page.keyboard.press("Tab");
      reached.push(await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return { name: document.activeElement.textContent, outlineStyle, wide: parseFloat(outlineWidth) >= 2 };
      }));
    }
    assert.deepEqual(reached, [{ name: "Approve", outlineStyle: "solid", wide: true },
      { name: "Reject", outlineStyle: "solid", wide: true }]);
    await page.screenshot({ path: `${plan.screenshots}/focus-desktop-light.png` });
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/cb\?/);
    await checkWayBack(page, "keyboard", true);
  }));

test("who sends the same form again is told, and can go on", () =>
  visit("twice", {}, async (page) => {
    const form = await page.locator("form").evaluate((form) => ({
      csrf: form.elements.csrf.value, decision: "approve" }));
    const first = await page.request.post(link("twice"), { form, maxRedirects: 0 });
    assert.equal(first.status(), 303);
    await page.getByRole("button", { name: "Approve" }).click();
    assert.match(await page.locator("h1").textContent(), /Already approved/);
    await shoot(page, "decided-twice-desktop-light");
    await page.getByRole("link", { name: "Continue to 127.0.0.1" }).click();
    await page.waitForURL(/\/cb\?/);
    await checkWayBack(page, "twice", true);
  }, [STATUS_OF_PAGE]));

// CSP's form-action also holds for the redirect behind a form: without the shop in it nobody could go back.
test("a form may lead to its own shop and nowhere else", () =>
  visit("transfer", {}, async (page) => {
    await page.locator("form").evaluate((form) => { form.action = "http://127.0.0.1:9/elsewhere"; });
    await page.getByRole("button", { name: "Reject" }).dispatchEvent("click");
    await page.waitForEvent("console");
    assert.equal(page.url(), link("transfer"));
  }, [/Content Security Policy/]));

// ---- who cannot see it ------------------------------------------------------------------------------------------

test("a screen reader hears who asks, for what, and what to do", () =>
  visit("transfer", {}, async (page) => {
    const heard = await page.locator("body").ariaSnapshot();
    for (const words of ["- banner:", "- main:", '- heading "Approve this payment?" [level=1]', "- strong: Café Payments",
      "- term: To", "ending in 2051", '- button "Approve"', '- button "Reject"', "- contentinfo:"])
      assert.ok(heard.includes(words), `${words} is not in\n${heard}`);
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    assert.match(await page.title(), /Approve this payment\?/);
  }));

test("each end has one heading that says what happened", async () => {
  const ends = { approved: ["Already approved", 200], rejected: ["Already rejected", 200],
    expired: ["This request has expired", 410], unknown: ["We do not know this link", 404] };
  for (const [name, [heading, status]] of Object.entries(ends))
    await visit(name, {}, async (page, response) => {
      assert.equal(response.status(), status);
      assert.deepEqual(await page.locator("h1").allTextContents(), [heading]);
      assert.equal(await page.locator("form").count(), 0);
    }, [STATUS_OF_PAGE]);
});

// ---- how it looks -------------------------------------------------------------------------------------------------

async function shoot(page, name) {
  await page.screenshot({ path: `${plan.screenshots}/${name}.png`, fullPage: true });
}

for (const state of STATES)
  for (const [size, viewport] of Object.entries(SIZES))
    for (const colorScheme of SCHEMES)
      test(`${state} on a ${size}, ${colorScheme}: readable, and nothing sticks out`, () =>
        visit(state, { viewport, colorScheme, deviceScaleFactor: size === "phone" ? 2 : 1 }, async (page) => {
          const { texts, overflow } = await page.evaluate(lookAtTexts);
          assert.ok(texts.length >= 3);
          assert.deepEqual(texts.filter(({ ratio }) => ratio < 4.5), []);
          assert.equal(overflow, 0);
          await shoot(page, `${state}-${size}-${colorScheme}`);
        }, [STATUS_OF_PAGE]));

test("at 320 pixels, and with letters twice as large, nothing is lost", async () => {
  for (const state of ["transfer", "access", "hostile", "expired"])
    await visit(state, { viewport: { width: 320, height: 640 } }, async (page) => {
      assert.equal((await page.evaluate(lookAtTexts)).overflow, 0);
      await shoot(page, `${state}-narrow-light`);
      await page.evaluate(() => { document.documentElement.style.setProperty("font-size", "200%"); });
      assert.equal((await page.evaluate(lookAtTexts)).overflow, 0);
      await shoot(page, `${state}-narrow-large-light`);
    }, [STATUS_OF_PAGE]);
});
