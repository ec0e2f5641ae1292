/** Overview: one machine, its alerts first. */

import { html, useMemo } from "../preact.js";
import { AlertList } from "../alerts.js";
import { Empty, Failed } from "../empty.js";
import { TopBar } from "../frame.js";
import { InstanceChoice, readInstances } from "../instance.js";
import { useResource } from "../resource.js";
import { Sections } from "../sections.js";
import { resolveRange } from "../time.js";

const FALLBACK_RANGE = "15m";

/** @param {{app: import("../app.js").App}} props */
export function Overview({ app }) {
  const { dashboard, now, params } = app;
  const range = useMemo(() => resolveRange(params, now, FALLBACK_RANGE), [params, now]);
  const [variable] = dashboard.variables;
  const machines = useResource((signal) => readInstances(variable, range, signal), "machines", [range]);
  const instance = params.instance ?? machines.data?.[0] ?? null;
  return html`
    <${TopBar} ...${app.bar} title=${dashboard.title} range=${range} rangeFallback=${FALLBACK_RANGE}
      subject=${
        instance !== null &&
        html`<${InstanceChoice} title=${variable.title} instances=${machines.data ?? []} instance=${instance} />`
      } />
    <main>
      <${AlertList} resource=${app.alerts} now=${now} />
      <${Body} app=${app} machines=${machines} range=${range} instance=${instance} />
    </main>`;
}

function Body({ app, machines, range, instance }) {
  if (instance !== null) return html`<${Sections} key=${instance} app=${app} range=${range} instance=${instance} />`;
  if (machines.data !== null) return html`<${NoMachine} />`;
  return (
    machines.error &&
    html`<${Failed} what="The list of machines" error=${machines.error} onRetry=${app.bar.onRefresh} />`
  );
}

function NoMachine() {
  const sentence = `No machine was measured in this time range. tocsin measures the one it runs on unless its configuration
    says otherwise; it reads others from node_exporter when these lines stand in its configuration:`;
  const target = "  - {job_name: node, static_configs: [{targets: ['HOST:9100']}]}";
  return html`<${Empty} sentence=${sentence} lines=${["scrape_configs:", target]} />`;
}
