// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The one stylesheet of the hosted page. Contrast is at least 4.5 for text and 3 for edges that mean
// something (WCAG 2.2, 1.4.3 and 1.4.11), in both colour schemes.
#include "web/apis/token_requests/internal.h"

static const char style[] =
    ":root{color-scheme:light dark;--ground:#f1f3f2;--sheet:#fff;--ink:#17211e;--soft:#55635e;--line:#d8dfdc;"
    "--edge:#75857f;--deed:#0b5f4d;--deed-hover:#094c3e;--on-deed:#fff;--focus:#1d4ed8;--shade:0 1px 2px "
    "#17211e0f,0 12px 32px -12px #17211e29}\n"
    "@media(prefers-color-scheme:dark){:root{--ground:#0f1513;--sheet:#18201d;--ink:#eaf0ed;--soft:#a9b8b2;"
    "--line:#2c3833;--edge:#7f9189;--deed:#5fd6b4;--deed-hover:#7fe3c6;--on-deed:#06251c;--focus:#93b4ff;"
    "--shade:none}}\n"
    "*{box-sizing:border-box}\n"
    "html{-webkit-text-size-adjust:100%;text-size-adjust:100%}\n"
    "body{margin:0;min-height:100vh;min-height:100dvh;display:flex;flex-direction:column;align-items:center;"
    "background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,"
    "\"Noto Sans\",\"Liberation Sans\",sans-serif;padding:max(1.25rem,env(safe-area-inset-top)) "
    "max(1rem,env(safe-area-inset-right)) max(1rem,env(safe-area-inset-bottom)) "
    "max(1rem,env(safe-area-inset-left))}\n"
    "header,main,footer{width:100%;max-width:29rem}\n"
    "header{display:flex;align-items:center;gap:.6rem;padding:0 .25rem 1rem;font-weight:600;"
    "letter-spacing:.01em}\n"
    ".tally{flex:none;fill:var(--deed)}\n"
    "main{background:var(--sheet);border:1px solid var(--line);border-radius:1rem;"
    "padding:clamp(1.25rem,6vw,1.75rem);box-shadow:var(--shade);overflow-wrap:anywhere}\n"
    "h1{margin:0 0 "
    ".5rem;font-size:clamp(1.3rem,5.6vw,1.5rem);line-height:1.25;letter-spacing:-.01em;text-wrap:balance}\n"
    "p{margin:0 0 1rem}\n"
    ".asker{color:var(--soft)}\n"
    ".asker strong{color:var(--ink)}\n"
    ".amount{margin:1.25rem 0;font-size:2.5rem;line-height:1.1;font-weight:650;letter-spacing:-.02em;"
    "font-variant-numeric:tabular-nums}\n"
    ".amount span{font-size:1.125rem;font-weight:500;letter-spacing:.02em;color:var(--soft)}\n"
    "dl{margin:1.25rem 0 1.5rem;border-top:1px solid var(--line)}\n"
    "dl>div{display:flex;flex-wrap:wrap;gap:0 1rem;padding:.65rem 0;border-bottom:1px solid var(--line)}\n"
    "dt{flex:0 0 5.75rem;color:var(--soft)}\n"
    "dd{flex:1 1 11rem;min-width:min(100%,11rem);margin:0}\n"
    "ul{margin:0;padding-left:1.1rem}\n"
    ".number{font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".heard{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}\n"
    "form{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,7.5rem),1fr));gap:.75rem;"
    "margin:0 0 1rem}\n"
    "button,.button{display:inline-flex;align-items:center;justify-content:center;min-height:3rem;"
    "padding:.7rem .75rem;border:1px solid var(--edge);border-radius:.7rem;background:transparent;"
    "color:var(--ink);font:inherit;font-weight:600;text-decoration:none;text-align:center;cursor:pointer}\n"
    "button:hover,.button:hover{background:var(--ground)}\n"
    ".button{padding-inline:1.5rem}\n"
    ".approve,.button{background:var(--deed);border-color:var(--deed);color:var(--on-deed)}\n"
    ".approve:hover,.button:hover{background:var(--deed-hover);border-color:var(--deed-hover)}\n"
    ":focus-visible{outline:3px solid var(--focus);outline-offset:3px}\n"
    ".hint{margin:0;color:var(--soft);font-size:.9375rem}\n"
    ".hint strong{color:var(--ink);font-weight:600}\n"
    ".notice{text-align:center;padding:1rem 0 .5rem}\n"
    ".notice p{color:var(--soft);max-width:24rem;margin-left:auto;margin-right:auto;text-wrap:pretty}\n"
    ".notice p:last-child{margin-bottom:0}\n"
    ".mark{fill:none;stroke:var(--deed);stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round;"
    "margin-bottom:.75rem}\n"
    "footer{padding:1rem .25rem 0;color:var(--soft);font-size:.875rem}\n"
    "footer p{margin:0}\n"
    "@media(min-width:40rem) and (min-height:40rem){body{padding-top:8vh}}\n"
    "@media(forced-colors:active){button,.button{border:2px solid ButtonText}.tally{fill:CanvasText}.mark{"
    "stroke:CanvasText}}\n";

void page_style(void *context, struct exchange *exchange)
{
    (void)context;
    exchange->reply.status = 200;
    exchange->reply.content_type = "text/css; charset=utf-8";
    http_reply_header(&exchange->reply, "Cache-Control", "public, max-age=3600");
    buf_append(&exchange->reply.body, style, sizeof style - 1);
}
