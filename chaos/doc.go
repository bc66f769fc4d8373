// Package chaos is the vocabulary of failure: one set of words with which the
// simulator, a staging system and a Kubernetes cluster are all told what to
// break.
//
//   - [Faults] lists the kinds of faults, and who can produce each.
//   - A [Catalogue] lists the places where a failure can be put in one system:
//     its protocol's steps, the calls of its stores, and "<step>/<call>". Package
//     protocol has the conversion's.
//   - A [Config] gives operations rates, delays and n-th-call triggers; it is
//     read strictly from YAML ([Parse]) and written back ([Config.Marshal]).
//   - A [Scenario] is faults as data: what to inject where, what must have been
//     observed for the run to count, and what must hold.
//
// All of this is plain data in files without a build tag. The Injector, which
// puts failures around real stores, and its InjectedError exist only in
// binaries built with -tags chaos_testing; in others [Wrap] refuses every
// configuration and nothing else of injection is linked.
package chaos
