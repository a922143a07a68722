import { defineConfig } from "vite";

declare const process: { env: Record<string, string | undefined> };

/** The node that a lobby under development talks to. */
const NODE = process.env["LOBBY_NODE"] ?? "http://127.0.0.1:4000";

export default defineConfig({
  // Relative addresses: the page works from wherever the gateway serves it.
  base: "./",
  build: {
    target: "es2022",
    // The gateway allows only what comes from itself, so nothing may become a `data:` address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    // A lobby under development talks to a node that runs with its default listener.
    proxy: {
      "/socket": { target: NODE.replace("http", "ws"), ws: true },
      "/api": NODE,
    },
  },
});
