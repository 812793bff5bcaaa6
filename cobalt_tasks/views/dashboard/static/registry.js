// Every view of the page: its path, its name in the navigation (null: none of its own), and its module.
//
// A module exports `title(state)` and `mount(container, state, tools)`, which fills the container and returns an object with
// any of: `show(document)`, called with each document of the live feed; `fail(reason)`, called while none has come yet and none
// can; `change(state)`, called when only the query of the
// address changed (without it the view is made anew); `unmount()`.

export const VIEWS = [
  { path: "/", label: "Overview", load: () => import("/static/views/overview.js") },
  { path: "/hosts", label: "Hosts", load: () => import("/static/views/hosts.js") },
  { path: "/connections", label: "Connections", load: () => import("/static/views/connections.js") },
  { path: "/changes", label: "Changes", load: () => import("/static/views/changes.js") },
  { path: "/certificates", label: "Certificates", load: () => import("/static/views/certificates.js") },
  { path: "/findings", label: "Findings", load: () => import("/static/views/findings.js") },
  { path: "/sources", label: "Sources", load: () => import("/static/views/sources.js") },
  { path: "/system", label: "System", load: () => import("/static/views/system.js") },
  { path: "/hosts/:address", label: null, under: "/hosts", load: () => import("/static/views/host.js") },
];
