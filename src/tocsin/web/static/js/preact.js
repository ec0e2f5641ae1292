/** The one place that names the vendored Preact. */
export * from "../vendor/htm/standalone.module.js";
