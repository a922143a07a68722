import { defineConfig } from "vite";

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
      "/socket": { target: "ws://127.0.0.1:4000", ws: true },
      "/api": "http://127.0.0.1:4000",
    },
  },
});
