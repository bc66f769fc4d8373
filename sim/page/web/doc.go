// Package web is the front-end of the pages: scripts and a style, bundled by
// build.mjs into ../assets, and their tests in a browser (make page). It is a
// module of its own: nothing of node's is part of the simulator's.
package web
